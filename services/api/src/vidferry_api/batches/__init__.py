"""Batches: many videos at once, or a playlist. Each is a job, and its videos are jobs."""
