"""Relays progress from Redis to browsers over WebSockets."""
