"""The start and duration of a track's segments, as runs of equal ones: they are counted before any is listed."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash.elements import UnsupportedTrackError, parse_integer

MAX_SEGMENTS = 100_000
"""27 hours in segments of one second"""
ROUNDING = 0.001
"""seconds by which a rounded period may exceed its segments: no further segment follows for them"""


@dataclass(frozen=True, slots=True)
class SegmentRun:
    """Consecutive segments of the same duration. Times are in ticks, None where unknown."""

    number: int
    time: float
    duration: float | None
    count: int


class Timeline:
    """The segments of a track in one period."""

    def __init__(self, runs: Sequence[SegmentRun], timescale: int = 1) -> None:
        self._runs, self._timescale = runs, timescale
        self._ends = list(accumulate(run.count for run in runs))
        if len(self) > MAX_SEGMENTS:
            raise UnsupportedTrackError(f"{len(self)} segments")

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def segment_at(self, index: int) -> SegmentRun:
        """The segment with that index, as a run of one."""
        place = bisect_right(self._ends, index)
        run = self._runs[place]
        further = index - (self._ends[place] - run.count)
        return SegmentRun(run.number + further, run.time + further * (run.duration or 0), run.duration, 1)

    def ticks_to_seconds(self, ticks: float | None) -> float | None:
        return None if ticks is None else ticks / self._timescale

    @property
    def duration(self) -> float:
        """Seconds of all segments, as far as they are known."""
        return sum((run.duration or 0) * run.count for run in self._runs) / self._timescale

    @property
    def start(self) -> float:
        """Seconds on the media's own clock."""
        return self._runs[0].time / self._timescale if self._runs else 0

    @property
    def end(self) -> float:
        """Seconds on the media's own clock."""
        last = self._runs[-1]
        return (last.time + (last.duration or 0) * last.count) / self._timescale


def timeline_from_elements(
    entries: Sequence[Element], timescale: int, number: int, end: float | None, most: int
) -> Timeline:
    """The timeline of S elements (§5.3.9.6); end is the period's end in ticks, most the number up to @endNumber."""
    runs: list[SegmentRun] = []
    time, left = 0, min(most, MAX_SEGMENTS + 1)
    for place, entry in enumerate(entries):
        time, number = parse_integer(entry.get("t"), time), parse_integer(entry.get("n"), number)
        duration, repeat = parse_integer(entry.get("d"), -1), parse_integer(entry.get("r"), 0)
        if duration < 0:
            raise UnsupportedTrackError("a segment without a duration")
        count = repeat + 1
        if repeat < 0:  # repeated up to the next S element, or to the end of the period (§5.3.9.6.2)
            following = entries[place + 1].get("t") if place + 1 < len(entries) else None
            until = end if following is None else parse_integer(following, 0)
            count = left if until is None and most <= MAX_SEGMENTS else _count_repeats(until, time, duration, timescale)
        count = min(count, left)
        if count > 0:
            runs.append(SegmentRun(number, time, duration, count))
        time, number, left = time + max(count, 0) * duration, number + max(count, 0), left - max(count, 0)
        if left <= 0:
            break
    return Timeline(runs, timescale)


def _count_repeats(until: float | None, time: float, duration: float, timescale: int) -> int:
    if until is None or not duration:
        raise UnsupportedTrackError("segments that repeat without end")
    return math.ceil((until - time - ROUNDING * timescale) / duration)


def timeline_from_duration(
    duration: float, timescale: int, number: int, begin: float, length: float | None, most: int
) -> Timeline:
    """The timeline of segments of @duration ticks in a period of length seconds; the last one may be shorter."""
    if length is None:
        if most > MAX_SEGMENTS:
            raise UnsupportedTrackError("how many segments there are is not told")
        return Timeline([SegmentRun(number, begin, duration, most)], timescale)
    ticks = length * timescale
    count = min(max(1, math.ceil((ticks - ROUNDING * timescale) / duration)), most)
    if not count:
        return Timeline([], timescale)
    last = min(duration, ticks - (count - 1) * duration)
    runs = [SegmentRun(number, begin, duration, count - 1)] if count > 1 else []
    return Timeline([*runs, SegmentRun(number + count - 1, begin + (count - 1) * duration, last, 1)], timescale)
