"""What uvicorn is given in place of its own: the HTTP protocol and the server."""
