"""Where a track's segments are: templates filled in, lists and byte ranges read, as yt-dlp's downloaders take them."""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, overload
from urllib.parse import urljoin

from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.child.dash.timeline import MOST, Run, Timeline

Fragment = dict[str, Any]
"""yt-dlp's: `url`, or `path` below the format's fragment_base_url; `byte_range` of `start` and `end`; `duration`"""

MOST_CHARACTERS = 256 * 1024**2
"""of all addresses of a track's fragments: they are all asked for at once"""
_VARIABLE = re.compile(r"\$(?:(RepresentationID|Number|Bandwidth|Time)(?:%0?(\d{0,2})([dioxXu]?))?)?\$")
_ABSOLUTE = re.compile(r"(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,18})-(\d{0,18})")


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A template's address (§5.3.9.4.4). A variable that has no value stays as it is."""
    if "$SubNumber" in template:
        raise UnsupportedTrackError("sequences of segments")

    def value(found: re.Match[str]) -> str:
        word, width, kind = found.groups()
        if word is None:
            return "$"
        given = values.get(word)
        if not isinstance(given, int):
            return found[0] if given is None else str(given)
        return format(given, f"0{width or 0}{'d' if kind in {None, '', 'i', 'u'} else kind}")

    return _VARIABLE.sub(value, template)


def locate(base: str, text: str) -> Fragment:
    """The fragment at an address relative to base."""
    return {"path": text} if text and not _ABSOLUTE.match(text) else {"url": urljoin(base, text)}


def byte_range(span: str | None) -> Fragment:
    """What a fragment has besides where it is these bytes of a file; nothing where it is all of it."""
    if span is None:
        return {}
    match = _RANGE.fullmatch(span.strip())
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise UnsupportedTrackError(f"a byte range of {span[:40]!r}")
    if not match[2]:
        if int(match[1]):
            raise UnsupportedTrackError("a byte range without an end")
        return {}
    return {"byte_range": {"start": int(match[1]), "end": int(match[2]) + 1}}


@dataclass(frozen=True)
class Segments:
    """The segments of one track in one period."""

    base: str
    beginning: tuple[Fragment, ...]
    """what comes before the first segment: the initialization"""
    timeline: Timeline
    media: Callable[[int, Run], Fragment]

    def __len__(self) -> int:
        return len(self.beginning) + len(self.timeline)

    def at(self, index: int) -> Fragment:
        if index < len(self.beginning):
            return dict(self.beginning[index])
        index -= len(self.beginning)
        segment = self.timeline.at(index)
        return self.media(index, segment) | {"duration": self.timeline.seconds(segment.duration)}

    @property
    def characters(self) -> int:
        """About how many all addresses have: as one does."""
        if not len(self.timeline):
            return 0
        one = self.at(len(self) - 1)
        return len(self) * (len(one["url"]) if "url" in one else len(self.base) + len(one["path"]))

    def absolute(self) -> "Segments":
        """The same, with addresses that stand for themselves."""

        def media(index: int, segment: Run) -> Fragment:
            return _absolute(self.base, self.media(index, segment))

        return replace(self, beginning=tuple(_absolute(self.base, each) for each in self.beginning), media=media)


def _absolute(base: str, fragment: Fragment) -> Fragment:
    rest = {key: value for key, value in fragment.items() if key != "path"}
    return rest if "url" in rest else rest | {"url": urljoin(base, fragment["path"])}


def check_characters(count: int) -> None:
    """UnsupportedTrackError where that is too much of addresses."""
    if count > MOST_CHARACTERS:
        raise UnsupportedTrackError(f"fragments whose addresses have {count} characters")


class Fragments(Sequence[Fragment]):
    """A format's fragments, as yt-dlp asks for them: each is made when it is taken, so many cost nothing.

    UnsupportedTrackError where they are too many: they are all asked for at once.
    """

    def __init__(self, parts: Sequence[Segments]) -> None:
        self._parts, self._ends = parts, list(accumulate(map(len, parts)))
        if sum(len(part.timeline) for part in parts) > MOST:
            raise UnsupportedTrackError(f"{len(self)} fragments")
        check_characters(sum(part.characters for part in parts))

    @property
    def length(self) -> float:
        """Seconds, as far as they are told."""
        return sum(part.timeline.length for part in self._parts)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Fragment: ...
    @overload
    def __getitem__(self, index: slice) -> list[Fragment]: ...
    def __getitem__(self, index: int | slice) -> Fragment | list[Fragment]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        number = bisect_right(self._ends, place)
        part = self._parts[number]
        return part.at(place - (self._ends[number] - len(part)))
