"""Replacements for parts of uvicorn: its HTTP protocol, WebSocket protocol and server."""
