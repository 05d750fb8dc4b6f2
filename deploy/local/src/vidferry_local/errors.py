"""The error that ends `make up`."""


class CannotRun(Exception):
    """Vidferry can't start, or go on running, on this machine. The text says why, and what a person can do."""
