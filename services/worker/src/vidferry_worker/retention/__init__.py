"""Removes stored videos that are too old or, beyond a total size, the oldest."""
