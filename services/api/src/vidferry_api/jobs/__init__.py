"""Jobs: create, read, cancel, retry."""
