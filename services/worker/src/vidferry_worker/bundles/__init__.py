"""Newer releases of yt-dlp than the image has."""
