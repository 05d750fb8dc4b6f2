"""How long a site has sent nothing while its video is looked for: what yt-dlp tolerates of one request adds up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.classify import is_timeout

LONGEST_WAIT = 20.0
"""seconds, of one request"""
SHORTEST_WAIT = 1.0


class StallTimer:
    """The time without a byte in an extraction. Downloads are watched from outside: many requests run side by side."""

    def __init__(self) -> None:
        self._limit, self._seconds = float("inf"), 0.0

    def begin(self, limit: float) -> None:
        """From now on it ends after limit seconds."""
        self._limit = limit

    def end(self) -> None:
        """The video is found."""
        self._limit = float("inf")

    @property
    def wait(self) -> float:
        """Seconds for which a request may wait for a byte."""
        return max(SHORTEST_WAIT, min(LONGEST_WAIT, self._limit - self._seconds))

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Around what waits for a byte; JobFailure where there has been none for too long."""
        begun = time.monotonic()
        try:
            yield
        except Exception as error:
            self._seconds = self._seconds + time.monotonic() - begun if is_timeout(error) else 0
            if self._seconds >= self._limit:
                raise JobFailure(ErrorCode.STALLED, "no byte while the video was looked for") from error
            raise
        self._seconds = 0
