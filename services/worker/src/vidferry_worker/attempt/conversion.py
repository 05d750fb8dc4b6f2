"""How far ffmpeg is with merging or converting, from the sizes of the files it writes. Pure: time is an argument."""

from vidferry_common.contract import stages
from vidferry_worker.children.protocol import Converting

RUN_SHARE = 0.8
"""of the rest of the stage is what one run of ffmpeg takes up: another run may follow"""
MIN_DONE = 0.05
"""of a run, before its speed is estimated"""
BLOCK = 256 * 1024
"""bytes that ffmpeg buffers and writes at once"""


class ConversionProgress:
    """The progress of all of ffmpeg's runs for one download."""

    def __init__(self) -> None:
        self.progress: float = stages.MERGING.progress
        self._run_start = self.progress
        """the progress at which the present run began"""
        self._written = 0.0
        self._started_at: float | None = None
        self._ends_at: float | None = None

    def update(self, event: Converting, now: float) -> None:
        """Takes the next event of the child."""
        written, expected = event.written, event.expected
        if written < self._written or self._started_at is None:  # another run has begun to write another file
            self._run_start, self._started_at, self._ends_at = self.progress, now, None
        if expected:
            self._estimate_end(written, expected, self._started_at, now)
        self._written = written

    def _estimate_end(self, written: float, expected: float, started_at: float, now: float) -> None:
        done = min(written / expected, 1.0)
        span = (stages.DOWNLOADED.progress - self._run_start) * RUN_SHARE
        self.progress = max(self.progress, self._run_start + span * done)
        if written > self._written and done > MIN_DONE:
            self._ends_at = started_at + (now - started_at) / done
        elif self._ends_at is not None:  # the estimate holds, unless the next block is late
            self._ends_at = max(self._ends_at, started_at + (now - started_at) * expected / (written + BLOCK))

    def eta(self, now: float) -> float | None:
        """Seconds to the end of the present run, None where that is unknown."""
        return None if self._ends_at is None else max(self._ends_at - now, 0.0)
