"""Whether a download stands still: nothing came for too long, apart from the waits that it has told of."""

import time
from datetime import UTC, datetime, timedelta

from vidferry_worker.children.protocol import Waiting

LONGEST_WAITS = 60.0
"""seconds between two bytes: for a site that asked for a pause, and before what failed is asked for again"""


class Stall:
    """Tells whether one download stands still."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._until = 0.0
        self._pause_ends = datetime.now(UTC)
        self.move()

    def move(self) -> None:
        """Bytes have come, of one part; others may wait."""
        self._moved, self._waited = time.monotonic(), 0.0

    def wait(self, event: Waiting) -> float:
        """The seconds that a child is granted, not beyond LONGEST_WAITS: it is not trusted."""
        granted = min(event.seconds, LONGEST_WAITS - self._waited)
        self._until, self._waited = max(self._until, time.monotonic() + granted), self._waited + granted
        if event.asked:
            self._pause_ends = datetime.now(UTC) + timedelta(seconds=granted)
        return granted

    @property
    def pause_ends(self) -> datetime | None:
        """When the site may be asked again, where it asked for a pause that is not over."""
        return self._pause_ends if self._pause_ends > datetime.now(UTC) else None

    @property
    def is_over(self) -> bool:
        """Whether it has stood still for longer than it may."""
        return time.monotonic() - max(self._moved, self._until) > self._limit
