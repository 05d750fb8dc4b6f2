"""The connection to Redis: what it tells becomes messages of the hub."""
