"""By how much clocks differ: this one from Redis', and the negative latencies that come of that."""

import logging
from collections import deque
from time import monotonic, time

from vidferry_common.metrics.instruments import Counter

logger = logging.getLogger(__name__)

MEASURES = 8
NOTABLE_SECONDS = 0.05
"""more than the clocks of machines differ by that keep time by NTP"""
TELL_SECONDS = 60.0


class ClockOffset:
    """How far this process' clock is ahead of Redis'.

    A reply to TIME is taken for half a round trip old, so a measure errs by that at the most. Of the last ones that
    with the shortest round trip counts, as in NTP (RFC 5905 §10).
    """

    def __init__(self) -> None:
        self._measures: deque[tuple[float, float]] = deque(maxlen=MEASURES)
        self.round_trip: float | None = None
        """the seconds of the last one; None before the first measure"""

    @property
    def seconds(self) -> float | None:
        """Negative where it is behind; None before the first measure."""
        return min(self._measures)[1] if self._measures else None

    def record_measure(self, redis_time: float, round_trip: float) -> None:
        """A reply with that Unix time came just now, after round_trip seconds."""
        self.round_trip = round_trip
        self._measures.append((round_trip, time() - round_trip / 2 - redis_time))


class NegativeLatencies:
    """Counts latencies between two machines' clocks that come out negative, and logs them once a minute at most."""

    def __init__(self, counter: Counter, offset: ClockOffset, told: str) -> None:
        """told: what the log says of them."""
        self._counter, self._offset, self._told = counter, offset, told
        self._quiet_until = float("-inf")

    def add(self, ahead: float, count: int = 1) -> None:
        """Counts latencies of another clock that is ahead by at least that many seconds."""
        self._counter.add(by=count)
        now = monotonic()
        if ahead < NOTABLE_SECONDS or now < self._quiet_until:
            return
        self._quiet_until = now + TELL_SECONDS
        logger.warning(
            "the machines' clocks differ",
            extra={"what": self._told, "ahead_seconds": round(ahead, 3), "own_offset_seconds": self._offset.seconds},
        )
