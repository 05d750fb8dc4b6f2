"""Whether a download stands still: nothing came for too long, apart from the waits that it has told of."""

import time

LONGEST_WAITS = 60.0
"""seconds between two bytes: for a site that asked for a pause, and before what failed is asked for again"""


class Stall:
    """Of one download."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.move()

    def move(self) -> None:
        """Bytes have come."""
        self._since, self._waited = time.monotonic(), 0.0

    def wait(self, seconds: float) -> None:
        """The child begins to wait so long, of which no more is granted than LONGEST_WAITS: it is not trusted."""
        granted = min(seconds, LONGEST_WAITS - self._waited)
        self._since, self._waited = max(self._since, time.monotonic() + granted), self._waited + granted

    @property
    def is_over(self) -> bool:
        """Whether it has stood still for longer than it may."""
        return time.monotonic() - self._since > self._limit
