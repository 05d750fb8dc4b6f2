"""Reads lists: playlists, channels, feeds, and pages with several videos."""
