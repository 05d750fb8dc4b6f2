"""The periods of a manifest, with their start and duration (§5.3.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from yt_dlp.utils import parse_duration, parse_iso8601

from vidferry_worker.child.dash.elements import ElementIndex, UnsupportedTrackError

_HREF, _NOTHING = "{http://www.w3.org/1999/xlink}href", "urn:mpeg:dash:resolve-to-zero:2013"


@dataclass
class Period:
    """The start and duration of a period in seconds, and what has been read of its tracks."""

    start: float
    seconds: float | None
    has_separate_audio: bool = False
    """whether it has audio tracks apart from its video"""
    track_count: int = 0
    """tracks read so far"""


def read_periods(mpd: Element, index: ElementIndex) -> Iterator[tuple[Element, Period]]:
    """The Period elements with their times (§5.3.2.1); UnsupportedTrackError where one is in another document."""
    whole = parse_duration(mpd.get("mediaPresentationDuration")) or None
    elements = [each for each in index.find_children(mpd, "Period") if is_present(each)]
    start = 0.0
    for element, following in zip(elements, [*elements[1:], None], strict=False):
        own_start = parse_duration(element.get("start"))
        start = start if own_start is None else own_start
        seconds = parse_duration(element.get("duration"))
        until = parse_duration(following.get("start")) if following is not None else whole
        if seconds is None and until is not None:  # a single period may have a start beyond the total duration
            seconds = until - start if until > start else whole if len(elements) == 1 else None
        if seconds != 0:  # an empty period has no tracks
            yield element, Period(start, seconds)
        start += seconds or 0


def has_ended(mpd: Element, now: float) -> bool:
    """Whether a manifest of type dynamic is of an event that is over, so that all of it is available (§5.3.1.2)."""
    begun, last = parse_iso8601(mpd.get("availabilityStartTime")), list(read_periods(mpd, ElementIndex()))[-1:]
    if mpd.get("type") != "dynamic" or begun is None or not last or last[0][1].seconds is None:
        return False
    return bool(begun + last[0][1].start + last[0][1].seconds <= now)


def is_present(element: Element) -> bool:
    """False for an element that resolves to nothing; UnsupportedTrackError for one in another document (§5.5)."""
    elsewhere = element.get(_HREF)
    if elsewhere not in {None, "", _NOTHING}:
        raise UnsupportedTrackError("a part of the manifest is in another document")
    return elsewhere != _NOTHING
