"""One run of a download: what is done to a video, and what its watchers are told of it."""
