"""Jobs: made, read, cancelled, tried again."""
