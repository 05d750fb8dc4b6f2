"""The gateway's connection to Redis, which feeds the hub."""
