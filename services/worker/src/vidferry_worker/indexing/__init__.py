"""Keeps the index of stored videos in Redis like the bucket, which has the truth."""
