"""Which stored videos are kept no longer, and their removal."""
