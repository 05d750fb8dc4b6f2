"""Makes the timestamps of MP4 fragments continuous across an EXT-X-DISCONTINUITY.

After a discontinuity, timestamps may restart (RFC 8216 §4.3.2.3). A player adjusts for that, but in a file the second
part would overlap the first. The first fragment may also start hours after zero, if it was cut out of a broadcast: a
player starts there, but a file would start with a gap.
"""

import struct
from collections.abc import Collection
from fractions import Fraction

from vidferry_worker.child.hls.boxes import BoxError, SampleRun, Track, find_boxes, read_runs, read_tracks

MIN_SHIFT = 0.5
"""Timestamps that are off by fewer seconds stay as they are: frame durations are not more exact."""


def is_interchangeable(one: bytes, other: bytes) -> bool:
    """Whether fragments for one initialization section play with the other: they may differ in dates and names."""
    if one == other:
        return True
    try:
        return read_tracks(one) == read_tracks(other)
    except BoxError:
        return False


class TimestampJoiner:
    """Rewrites the timestamps of fragments, which are given in their order, so that they are continuous."""

    def __init__(self, discontinuities: Collection[int]) -> None:
        """discontinuities: the numbers of the fragments that follow a discontinuity."""
        self._discontinuities = discontinuities
        self._tracks: dict[int, Track] = {}
        self._ends: dict[int, int] = {}
        """where each track ends, in units of its timescale"""
        self._shift = Fraction()
        """seconds"""

    def rewrite_fragment(self, fragment: bytes, number: int) -> bytes:
        """The fragment with continuous timestamps; one that is not MP4 is returned as it is."""
        try:
            if not self._tracks:
                self._tracks = read_tracks(fragment)
                return fragment
            return self._shift_fragment(fragment, number)
        except BoxError:
            return fragment

    def _shift_fragment(self, fragment: bytes, number: int) -> bytes:
        runs = read_runs(fragment, self._tracks)
        if number in self._discontinuities or not self._ends:
            self._shift = self._find_shift(runs)
        moved = bytearray(fragment)
        if self._shift or self._discontinuities:
            for begin, _ in find_boxes(fragment, "sidx"):  # a segment index has the old timestamps
                moved[begin - 4 : begin] = b"free"
        for run in runs:
            begin = run.start + round(self._shift * self._tracks[run.track].timescale)
            if not 0 <= begin < 1 << (64 if run.is_64_bit else 32):
                return fragment
            struct.pack_into(">Q" if run.is_64_bit else ">I", moved, run.time_offset, begin)
            self._ends[run.track] = begin + run.duration
        return bytes(moved)

    def _find_shift(self, runs: list[SampleRun]) -> Fraction:
        """Seconds by which to shift all tracks, so that they stay in sync and none overlaps what was written before.

        For the first fragment, the earliest track starts at zero.
        """
        first: dict[int, int] = {}
        for run in runs:
            first.setdefault(run.track, run.start)
        ends = self._ends or dict.fromkeys(first, 0)
        needed = [
            Fraction(ends[track] - begin, self._tracks[track].timescale)
            for track, begin in first.items()
            if track in ends
        ]
        shift = max(needed, default=self._shift)
        return shift if abs(shift) >= MIN_SHIFT else Fraction()
