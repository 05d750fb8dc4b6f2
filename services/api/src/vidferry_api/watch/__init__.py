"""The paths that the ws-gateway serves."""
