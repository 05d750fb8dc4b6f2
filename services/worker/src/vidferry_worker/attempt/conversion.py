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
        self._from = self.progress
        self._written = 0.0
        self._begun: float | None = None
        self._end: float | None = None

    def update(self, event: Converting, now: float) -> None:
        """Takes the next event of the child."""
        written, expected = event.written, event.expected
        if written < self._written or self._begun is None:  # another run has begun to write another file
            self._from, self._begun, self._end = self.progress, now, None
        if expected:
            self._estimate_end(written, expected, self._begun, now)
        self._written = written

    def _estimate_end(self, written: float, expected: float, begun: float, now: float) -> None:
        done = min(written / expected, 1.0)
        room = (stages.DOWNLOADED.progress - self._from) * RUN_SHARE
        self.progress = max(self.progress, self._from + room * done)
        if written > self._written and done > MIN_DONE:
            self._end = begun + (now - begun) / done
        elif self._end is not None:  # the estimate holds, unless the next block is late
            self._end = max(self._end, begun + (now - begun) * expected / (written + BLOCK))

    def eta(self, now: float) -> float | None:
        """Seconds to the end of the present run, None where that is unknown."""
        return None if self._end is None else max(self._end - now, 0.0)
