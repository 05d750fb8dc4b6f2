"""How far the streams are put together, from what a child tells of ffmpeg's files. Pure: time is handed in."""

from vidferry_common.contract import stages
from vidferry_worker.children.protocol import Converting

SHARE = 0.8
"""of what is left of the stage, for each run of ffmpeg: another may follow"""
ENOUGH = 0.05
"""of a run, to tell its speed by"""
BLOCK = 256 * 1024
"""bytes that ffmpeg holds back until it writes them at once"""


class Conversion:
    """All runs of ffmpeg for one download."""

    def __init__(self) -> None:
        self.progress: float = stages.MERGING.progress
        self._from = self.progress
        self._written = 0.0
        self._begun: float | None = None
        self._end: float | None = None

    def update(self, event: Converting, now: float) -> None:
        """Takes what a child tells."""
        written, expected = event.written, event.expected
        if written < self._written or self._begun is None:  # another run writes another file
            self._from, self._begun, self._end = self.progress, now, None
        if expected:
            self._foresee(written, expected, self._begun, now)
        self._written = written

    def _foresee(self, written: float, expected: float, begun: float, now: float) -> None:
        done = min(written / expected, 1.0)
        room = (stages.DOWNLOADED.progress - self._from) * SHARE
        self.progress = max(self.progress, self._from + room * done)
        if written > self._written and done > ENOUGH:
            self._end = begun + (now - begun) / done
        elif self._end is not None:  # what was foreseen holds, but for a next block that is late
            self._end = max(self._end, begun + (now - begun) * expected / (written + BLOCK))

    def eta(self, now: float) -> float | None:
        """Seconds to the end of the present run, None where they can't be told."""
        return None if self._end is None else max(self._end - now, 0.0)
