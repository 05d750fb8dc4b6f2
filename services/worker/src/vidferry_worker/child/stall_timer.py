"""How long a site may send nothing, and how long one connection of it: a deaf connection is replaced before that."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.error_chain import is_timeout

FIRST_WAIT = 20.0
"""seconds after which the first connection without a byte is given up, at the latest"""
FIRST_SHARE = 2 / 3
"""of the limit, after which it is given up where that is sooner"""
SHORTEST_WAIT = 1.0
TOLERANCE = 0.1
"""seconds: timers of sockets may fire a little early"""


class StallTimer:
    """Adds up the time without a byte: of all requests of an extraction, or of all requests for one body.

    Each connection may be silent for as long as all before it, and FIRST_WAIT more. So what has gone deaf is replaced
    soon, and a site that needs long for its answer has the time to send it.
    """

    def __init__(self, limit: float = float("inf"), *, spares_one: bool = False) -> None:
        """limit: the seconds without a byte after which it is over.

        spares_one: whether that ends the request alone, and all else only if the next one is silent too. yt-dlp does
        without some requests, such as that for one of several playlists.
        """
        self._limit, self._silent, self._spares_one = limit, 0.0, spares_one

    @property
    def timeout(self) -> float:
        """The seconds that the next request may wait for a byte, where it can be sent again afterwards."""
        return max(SHORTEST_WAIT, self._first if self.is_over else min(self._silent + self._first, self._left))

    @property
    def whole_timeout(self) -> float:
        """The seconds that the next request may wait for a byte, where it can't be sent again."""
        return max(SHORTEST_WAIT, self._first if self.is_over else self._left)

    @property
    def is_over(self) -> bool:
        """Whether nothing has come for the limit."""
        return self._left < TOLERANCE

    @property
    def _first(self) -> float:
        return min(FIRST_WAIT, self._limit * FIRST_SHARE)

    @property
    def _left(self) -> float:
        return self._limit - self._silent

    def note_bytes(self) -> None:
        """Something new has come."""
        self._silent = 0.0

    @contextmanager
    def time_wait(self, timeout: float) -> Iterator[None]:
        """Wraps an operation that waits for bytes, up to timeout seconds for each. JobFailure after the limit.

        An answer that is an error is an answer too.
        """
        begun, outer = time.monotonic(), sys.exception()
        try:
            yield
        except Exception as error:
            if not is_timeout(error, outer):
                self.note_bytes()
                raise
            # If it took longer, bytes came first.
            spares = self._spares_one and not self.is_over
            self._silent += min(time.monotonic() - begun, timeout)
            if self.is_over and not spares:
                raise JobFailure(ErrorCode.STALLED, f"no byte for {self._silent:.0f} s") from error
            raise
