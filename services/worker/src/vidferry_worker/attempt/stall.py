"""Whether a download has stalled: no byte has arrived for too long, or too few in too long a time."""

import time
from datetime import UTC, datetime, timedelta

from vidferry_worker.children.protocol import Waiting

MAX_WAITS = 60.0
"""seconds that a child may announce between two bytes: for a pause that the site asked for, or before another try"""


class StallDetector:
    """Detects that no bytes arrive, apart from the waits that the child announced."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._waits_until = self._waited = 0.0
        self._pause_ends = datetime.now(UTC)
        self.note_bytes()

    def note_bytes(self) -> None:
        """Bytes of one fragment have arrived; others may still wait."""
        self._deadline, self._waited = max(time.monotonic(), self._waits_until) + self._limit, 0.0

    def grant_wait(self, event: Waiting) -> float:
        """Allows a wait that a child announces, for MAX_WAITS at most. Returns the seconds that are allowed."""
        granted, now = min(event.seconds, MAX_WAITS - self._waited), time.monotonic()
        begin = max(now, self._waits_until)  # fragments wait side by side
        self._waits_until, self._waited = max(begin, now + granted), self._waited + granted
        self._deadline += self._waits_until - begin
        if event.asked:
            self._pause_ends = datetime.now(UTC) + timedelta(seconds=granted)
        return granted

    @property
    def pause_ends(self) -> datetime | None:
        """When the pause that the site asked for ends, None where there is none now."""
        return self._pause_ends if self._pause_ends > datetime.now(UTC) else None

    @property
    def is_stalled(self) -> bool:
        """Whether no bytes have arrived for longer than allowed."""
        return time.monotonic() > self._deadline


class RateCheck:
    """Whether a download is fast enough to keep its slot: a byte now and then is no progress."""

    def __init__(self, rate: int, seconds: float, now: float) -> None:
        self._min_bytes, self._seconds = rate * seconds, seconds
        self._since, self._downloaded, self._waited = now, 0, 0.0

    def exclude_wait(self, seconds: float) -> None:
        """Extends the period by a wait, to twice its length at most: a site may ask for one wait after another."""
        self._waited = min(self._waited + seconds, self._seconds)

    def is_too_slow(self, downloaded: int, now: float) -> bool:
        """Whether fewer bytes than required have arrived in the period, once it is over."""
        if now - self._since < self._seconds + self._waited:
            return False
        has_restarted = downloaded < self._downloaded
        received = downloaded if has_restarted else downloaded - self._downloaded
        self._since, self._downloaded, self._waited = now, downloaded, 0.0
        return received < self._min_bytes
