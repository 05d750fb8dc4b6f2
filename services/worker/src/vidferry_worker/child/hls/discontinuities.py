"""Fragments of MP4 on both sides of an EXT-X-DISCONTINUITY, put behind each other.

The timestamps of what follows may begin anew (RFC 8216 §4.3.2.3). Players move them; in a file they stand as they are,
so that a second part would be played on top of the first one. Likewise those of the first fragment, which may be hours
after zero, as of what was cut out of a broadcast: players begin where it does, a file would begin with nothing.
"""

import struct
from collections.abc import Collection
from fractions import Fraction

from vidferry_worker.child.hls.boxes import BoxError, Run, Track, find_boxes, read_runs, read_tracks

SMALLEST_JUMP = 0.5
"""seconds between where a part should begin and where it does, below which it is left: frames are not as exact"""


def is_same_initialization(one: bytes, other: bytes) -> bool:
    """Whether what was made for one section can be played with the other: they may differ in dates and names."""
    if one == other:
        return True
    try:
        return read_tracks(one) == read_tracks(other)
    except BoxError:
        return False


class Joiner:
    """Writes the timestamps of fragments, which are given in their order, so that they go on."""

    def __init__(self, discontinuities: Collection[int]) -> None:
        """discontinuities: the numbers of the fragments that follow one."""
        self._discontinuities = discontinuities
        self._tracks: dict[int, Track] = {}
        self._ends: dict[int, int] = {}
        """where each track ends, in its own units"""
        self._shift = Fraction()
        """seconds"""

    def join(self, fragment: bytes, number: int) -> bytes:
        """The fragment as it is to be written; one that is no MP4 is left as it is."""
        try:
            if not self._tracks:
                self._tracks = read_tracks(fragment)
                return fragment
            return self._move(fragment, number)
        except BoxError:
            return fragment

    def _move(self, fragment: bytes, number: int) -> bytes:
        runs = read_runs(fragment, self._tracks)
        if number in self._discontinuities or not self._ends:
            self._shift = self._find_shift(runs)
        moved = bytearray(fragment)
        if self._shift or self._discontinuities:
            for begin, _ in find_boxes(fragment, "sidx"):  # an index tells the old times, and comes before them
                moved[begin - 4 : begin] = b"free"
        for run in runs:
            begin = run.begin + round(self._shift * self._tracks[run.track].timescale)
            if not 0 <= begin < 1 << (64 if run.is_long else 32):
                return fragment
            struct.pack_into(">Q" if run.is_long else ">I", moved, run.told_at, begin)
            self._ends[run.track] = begin + run.duration
        return bytes(moved)

    def _find_shift(self, runs: list[Run]) -> Fraction:
        """Seconds by which all tracks move, so that none begins before it has ended and they stay together.

        At first, the earliest is to begin at zero.
        """
        first: dict[int, int] = {}
        for run in runs:
            first.setdefault(run.track, run.begin)
        ends = self._ends or dict.fromkeys(first, 0)
        needed = [
            Fraction(ends[track] - begin, self._tracks[track].timescale)
            for track, begin in first.items()
            if track in ends
        ]
        shift = max(needed, default=self._shift)
        return shift if abs(shift) >= SMALLEST_JUMP else Fraction()
