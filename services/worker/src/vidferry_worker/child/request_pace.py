"""Pauses between the requests of an extraction, where the operator asks for them (`sleep` in the sites file).

yt-dlp's own option (sleep_interval_requests) leaves out what is not requested by an extractor's usual methods.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.protocol import NO_PACING, Pacing


class RequestPace:
    """The pauses of one child: between an answer and the next request, and between requests of several threads."""

    def __init__(self) -> None:
        self._pacing = NO_PACING
        self._slept = 0.0
        self._next = 0.0
        """when the next request may be sent, by time.monotonic()"""
        self._lock = threading.Lock()

    def start(self, pacing: Pacing) -> None:
        """Has each further request wait for its pause."""
        self._pacing = pacing

    def renew(self) -> None:
        """Lets the pauses take as long again: another part of the work begins."""
        self._slept = 0.0

    def stop(self) -> None:
        """Ends the pauses: media is fetched without."""
        self._pacing = NO_PACING

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Wraps a request up to its answer. JobFailure where the pauses would take longer than they may in all."""
        if not self._pacing.sleep:
            yield
            return
        self._wait()
        try:
            yield
        finally:
            self._next = time.monotonic() + self._pacing.sleep

    def _wait(self) -> None:
        with self._lock:  # other threads' requests wait behind this one
            left = max(0.0, self._next - time.monotonic())
            self._slept += left
            if self._slept > self._pacing.total:
                detail = f"the pauses between requests (sleep in the sites file) take over {self._pacing.total:g} s"
                raise JobFailure(ErrorCode.TIMED_OUT, detail)
            time.sleep(left)
            self._next = time.monotonic() + self._pacing.sleep
