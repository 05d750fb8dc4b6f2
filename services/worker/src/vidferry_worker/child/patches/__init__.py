"""Every change to yt-dlp: one module each, named after what it changes, with one verb, install().

A module's docstring says what yt-dlp does by itself; its test runs that too, and fails once a new yt-dlp does it right.
preload.PATCHES are installed once, in the zygote. The others are given something of one download's, so its child
installs them: connections, duration_limit, ffmpeg_progress, fragment_progress, hls_playlist_observer and subprocesses.
embed_search is installed when all extractors are known.
"""
