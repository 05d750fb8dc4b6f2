"""How far the streams are put together, from what a child tells of ffmpeg's files. Pure: time is handed in."""

from collections.abc import Mapping
from typing import Any

from vidferry_common.contract import stages

SHARE = 0.8
"""of what is left of the stage, for each run of ffmpeg: another may follow"""
ENOUGH = 0.05
"""of a run, to tell its speed by"""


class Conversion:
    """All runs of ffmpeg for one download."""

    def __init__(self) -> None:
        self.progress: float = stages.MERGING.progress
        self.eta: float | None = None
        self._from = self.progress
        self._written = 0
        self._begun = 0.0

    def update(self, event: Mapping[str, Any], now: float) -> None:
        """Takes one `converting`; ill-formed ones are ignored, since children are not trusted."""
        written, expected = event.get("written"), event.get("expected")
        if not isinstance(written, int) or written < 0:
            return
        if written < self._written or not self._begun:  # another run writes another file
            self._from, self._begun = self.progress, now
        self._written, self.eta = written, None
        if not isinstance(expected, int) or not expected > 0:
            return
        done = min(written / expected, 1.0)
        room = (stages.DOWNLOADED.progress - self._from) * SHARE
        self.progress = max(self.progress, self._from + room * done)
        if done > ENOUGH:
            self.eta = (now - self._begun) * (1 - done) / done
