"""Limits the time without a byte during an extraction: yt-dlp's timeouts of single requests would add up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.classify import is_timeout

LONGEST_WAIT = 20.0
"""seconds of one request"""
SHORTEST_WAIT = 1.0


class StallTimer:
    """The time without a byte during an extraction. The worker watches downloads, which have parallel requests."""

    def __init__(self) -> None:
        self._limit, self._seconds = float("inf"), 0.0

    def start(self, limit: float) -> None:
        """Ends the extraction after limit seconds without a byte."""
        self._limit = limit

    def stop(self) -> None:
        """Ends the limit: the extraction is over."""
        self._limit = float("inf")

    @property
    def timeout(self) -> float:
        """The timeout of the next request, in seconds."""
        return max(SHORTEST_WAIT, min(LONGEST_WAIT, self._limit - self._seconds))

    @contextmanager
    def time_wait(self) -> Iterator[None]:
        """Wraps an operation that waits for bytes; JobFailure where there were none for too long."""
        begun = time.monotonic()
        try:
            yield
        except Exception as error:
            self._seconds = self._seconds + time.monotonic() - begun if is_timeout(error) else 0
            if self._seconds >= self._limit:
                raise JobFailure(ErrorCode.STALLED, "no byte while the video was looked for") from error
            raise
        self._seconds = 0
