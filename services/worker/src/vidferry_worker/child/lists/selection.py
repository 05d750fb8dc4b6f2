"""Selects the entries of a list that are asked for. Pure: it reads as little of the list as it needs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from vidferry_worker.child.lists.listed_video import ListedVideo

Ranges = tuple[tuple[int, int], ...]
"""the first and the last place of each range, from 1 on"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries of a list are asked for."""

    places: Ranges = ()
    """in the list, or in the order of the dates with newest_first; empty: all"""
    most: int = 1000
    """the most entries"""
    newest_first: bool = False

    def select(self, videos: Iterable[ListedVideo]) -> Iterator[ListedVideo]:
        """The selected videos, each once."""
        ordered = _sort_newest_first(videos) if self.newest_first else videos
        yield from islice(_drop_repeated(self._take_places(ordered)), self.most)

    def _take_places(self, videos: Iterable[ListedVideo]) -> Iterator[ListedVideo]:
        if not self.places:
            yield from videos
            return
        last = max(end for _, end in self.places)
        for place, video in enumerate(islice(videos, last), 1):
            if any(first <= place <= end for first, end in self.places):
                yield video


def _sort_newest_first(videos: Iterable[ListedVideo]) -> list[ListedVideo]:
    """By date. A video without one stays behind the one before it; a list without dates keeps its order."""
    dates, date = [], float("inf")
    found = list(videos)
    for video in found:
        date = video.timestamp if video.timestamp is not None else date
        dates.append(date)
    order = sorted(range(len(found)), key=lambda at: -dates[at])
    return [found[at] for at in order]


def _drop_repeated(videos: Iterable[ListedVideo]) -> Iterator[ListedVideo]:
    """Each video once. Entries without a URL can't be told apart, so all of them stay."""
    seen: set[str] = set()
    for video in videos:
        if not video.url or video.key not in seen:
            seen.add(video.key)
            yield video
