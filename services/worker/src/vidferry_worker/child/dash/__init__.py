"""MPEG-DASH manifests (ISO/IEC 23009-1), read as far as yt-dlp's own parser does not: pure functions of the XML."""
