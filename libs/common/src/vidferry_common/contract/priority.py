"""Who goes first: downloads are taken in the order of when they were due, less their class's head start."""

from enum import StrEnum


class Priority(StrEnum):
    """The class of a request."""

    INTERACTIVE = "interactive"
    """a person waits"""
    BULK = "bulk"
    """no person waits"""

    @property
    def head_start_ms(self) -> int:
        """A person goes before all bulk requests of the last hours; older ones have waited long enough."""
        return 6 * 3600 * 1000 if self is Priority.INTERACTIVE else 0
