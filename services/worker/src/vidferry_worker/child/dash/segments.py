"""The segments of a track as fragments for yt-dlp's downloaders: URL templates, lists and byte ranges."""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, overload
from urllib.parse import urljoin

from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.child.dash.timeline import MAX_SEGMENTS, SegmentRun, Timeline

Fragment = dict[str, Any]
"""yt-dlp's fragment: `url`, or `path` below fragment_base_url; `byte_range` with `start` and `end`; `duration`"""

MAX_URL_CHARACTERS = 256 * 1024**2
"""characters of all URLs of a track: yt-dlp makes a list of them"""
_VARIABLE = re.compile(r"\$(?:(RepresentationID|Number|Bandwidth|Time)(?:%0?(\d{0,2})([dioxXu]?))?)?\$")
_ABSOLUTE = re.compile(r"(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,18})-(\d{0,18})")


def fill_template(template: str, values: Mapping[str, Any]) -> str:
    """Replaces the variables of a template (§5.3.9.4.4). One without a value stays as it is."""
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


def make_fragment(base: str, text: str) -> Fragment:
    """The fragment at a URL relative to base."""
    return {"path": text} if text and not _ABSOLUTE.match(text) else {"url": urljoin(base, text)}


def parse_byte_range(span: str | None) -> Fragment:
    """The `byte_range` entry of a fragment; empty where the fragment is the whole file."""
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

    base_url: str
    initialization: tuple[Fragment, ...]
    """the initialization segment, if there is one"""
    timeline: Timeline
    locate_segment: Callable[[int, SegmentRun], Fragment]

    def __len__(self) -> int:
        return len(self.initialization) + len(self.timeline)

    def fragment_at(self, index: int) -> Fragment:
        if index < len(self.initialization):
            return dict(self.initialization[index])
        index -= len(self.initialization)
        segment = self.timeline.segment_at(index)
        return self.locate_segment(index, segment) | {"duration": self.timeline.ticks_to_seconds(segment.duration)}

    @property
    def url_characters(self) -> int:
        """How many characters all URLs have, estimated from one."""
        if not len(self.timeline):
            return 0
        one = self.fragment_at(len(self) - 1)
        return len(self) * (len(one["url"]) if "url" in one else len(self.base_url) + len(one["path"]))

    def with_absolute_urls(self) -> "Segments":
        """The same segments with absolute URLs."""

        def media(index: int, segment: SegmentRun) -> Fragment:
            return _with_absolute_url(self.base_url, self.locate_segment(index, segment))

        return replace(
            self,
            initialization=tuple(_with_absolute_url(self.base_url, each) for each in self.initialization),
            locate_segment=media,
        )


def _with_absolute_url(base: str, fragment: Fragment) -> Fragment:
    rest = {key: value for key, value in fragment.items() if key != "path"}
    return rest if "url" in rest else rest | {"url": urljoin(base, fragment["path"])}


def check_url_characters(count: int) -> None:
    """UnsupportedTrackError where the URLs of a track have too many characters."""
    if count > MAX_URL_CHARACTERS:
        raise UnsupportedTrackError(f"fragments whose addresses have {count} characters")


class Fragments(Sequence[Fragment]):
    """The fragments of a format, as a lazy sequence: each is made when yt-dlp takes it.

    UnsupportedTrackError where there are too many: yt-dlp makes a list of them.
    """

    def __init__(self, parts: Sequence[Segments]) -> None:
        self._parts, self._ends = parts, list(accumulate(map(len, parts)))
        if sum(len(part.timeline) for part in parts) > MAX_SEGMENTS:
            raise UnsupportedTrackError(f"{len(self)} fragments")
        check_url_characters(sum(part.url_characters for part in parts))

    @property
    def duration(self) -> float:
        """Seconds, as far as they are known."""
        return sum(part.timeline.duration for part in self._parts)

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
        return part.fragment_at(place - (self._ends[number] - len(part)))
