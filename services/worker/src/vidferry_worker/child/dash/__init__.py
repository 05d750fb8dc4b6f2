"""MPEG-DASH manifests (ISO/IEC 23009-1): what yt-dlp's own parser doesn't read, as pure functions of the XML."""
