"""Downloads, merges, uploads, and publishes every step."""
