"""Whether the api lives, and whether it is to be sent requests."""
