"""Liveness and readiness of the api."""
