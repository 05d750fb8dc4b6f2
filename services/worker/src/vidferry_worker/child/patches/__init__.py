"""The patches of yt-dlp: a module each, named after the part that it changes, with one function, install().

A module's docstring says what yt-dlp does by itself, and with the patch. Its test also runs yt-dlp without the patch,
and fails once a new release needs it no more. The zygote installs preload.PATCHES once. Patches that depend on one
download are installed by its child: connections, duration_limit, ffmpeg_progress, fragment_progress,
hls_playlist_observer and subprocesses. embed_search is installed when all extractors are loaded.
"""
