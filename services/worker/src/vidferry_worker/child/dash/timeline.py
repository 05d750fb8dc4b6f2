"""When a track's segments begin and how long they are: counted before any of them is listed."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash.elements import UnsupportedTrackError, whole

MOST = 100_000
"""segments of a track: those of one second for 27 hours"""
ROUNDED = 0.001
"""seconds by which a period's length, as manifests round it, may reach into a segment that isn't there"""


@dataclass(frozen=True, slots=True)
class Run:
    """Segments of the same duration, one after the other. Times are in ticks, None where they aren't told."""

    number: int
    time: float
    duration: float | None
    count: int


class Timeline:
    """The runs of a track."""

    def __init__(self, runs: Sequence[Run], timescale: int = 1) -> None:
        self._runs, self._timescale = runs, timescale
        self._ends = list(accumulate(run.count for run in runs))
        if len(self) > MOST:
            raise UnsupportedTrackError(f"{len(self)} segments")

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def at(self, index: int) -> Run:
        """The segment of that index, as a run of one."""
        place = bisect_right(self._ends, index)
        run = self._runs[place]
        further = index - (self._ends[place] - run.count)
        return Run(run.number + further, run.time + further * (run.duration or 0), run.duration, 1)

    def seconds(self, ticks: float | None) -> float | None:
        return None if ticks is None else ticks / self._timescale

    @property
    def length(self) -> float:
        """Seconds of all segments, as far as they are told."""
        return sum((run.duration or 0) * run.count for run in self._runs) / self._timescale

    @property
    def begin(self) -> float:
        """Seconds on the media's own clock."""
        return self._runs[0].time / self._timescale if self._runs else 0

    @property
    def end(self) -> float:
        """Seconds on the media's own clock."""
        last = self._runs[-1]
        return (last.time + (last.duration or 0) * last.count) / self._timescale


def of_elements(entries: Sequence[Element], timescale: int, number: int, end: float | None, most: int) -> Timeline:
    """The timeline of S elements (§5.3.9.6); end is the period's in ticks, most the count that @endNumber allows."""
    runs: list[Run] = []
    time, left = 0, min(most, MOST + 1)
    for place, entry in enumerate(entries):
        time, number = whole(entry.get("t"), time), whole(entry.get("n"), number)
        duration, repeat = whole(entry.get("d"), -1), whole(entry.get("r"), 0)
        if duration < 0:
            raise UnsupportedTrackError("a segment without a duration")
        count = repeat + 1
        if repeat < 0:  # up to the next one, or to the period's end (§5.3.9.6.2)
            following = entries[place + 1].get("t") if place + 1 < len(entries) else None
            until = end if following is None else whole(following, 0)
            count = left if until is None and most <= MOST else _count(until, time, duration, timescale)
        count = min(count, left)
        if count > 0:
            runs.append(Run(number, time, duration, count))
        time, number, left = time + max(count, 0) * duration, number + max(count, 0), left - max(count, 0)
        if left <= 0:
            break
    return Timeline(runs, timescale)


def _count(until: float | None, time: float, duration: float, timescale: int) -> int:
    if until is None or not duration:
        raise UnsupportedTrackError("segments that repeat without end")
    return math.ceil((until - time - ROUNDED * timescale) / duration)


def of_equal(duration: float, timescale: int, number: int, begin: float, length: float | None, most: int) -> Timeline:
    """The timeline of segments that last @duration ticks each, over a period of length seconds; the last is shorter."""
    if length is None:
        if most > MOST:
            raise UnsupportedTrackError("how many segments there are is not told")
        return Timeline([Run(number, begin, duration, most)], timescale)
    ticks = length * timescale
    count = min(max(1, math.ceil((ticks - ROUNDED * timescale) / duration)), most)
    if not count:
        return Timeline([], timescale)
    last = min(duration, ticks - (count - 1) * duration)
    runs = [Run(number, begin, duration, count - 1)] if count > 1 else []
    return Timeline([*runs, Run(number + count - 1, begin + (count - 1) * duration, last, 1)], timescale)
