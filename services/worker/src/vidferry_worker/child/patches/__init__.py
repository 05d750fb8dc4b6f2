"""Changes to yt-dlp where it errs: one module each, named after what it changes, with one verb, install().

Its docstring says what yt-dlp does by itself; its test runs that too, and fails once a new yt-dlp does it right.
"""
