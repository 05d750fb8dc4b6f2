"""The periods of a manifest: which there are, when they begin and how long they are (§5.3.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from yt_dlp.utils import parse_duration, parse_iso8601

from vidferry_worker.child.dash.elements import Document, UnsupportedTrackError

_HREF, _NOTHING = "{http://www.w3.org/1999/xlink}href", "urn:mpeg:dash:resolve-to-zero:2013"


@dataclass
class Period:
    """When a period begins in the presentation, and how long it is; in seconds."""

    start: float
    seconds: float | None
    sound_apart: bool = False
    """whether it has tracks of sound alone"""
    tracks: int = 0
    """how many have been read of it"""


def periods(mpd: Element, document: Document) -> Iterator[tuple[Element, Period]]:
    """Each with its begin and length (§5.3.2.1); UnsupportedTrackError where one is in another document."""
    whole = parse_duration(mpd.get("mediaPresentationDuration")) or None
    elements = [each for each in document.children(mpd, "Period") if check_here(each)]
    start = 0.0
    for element, following in zip(elements, [*elements[1:], None], strict=False):
        told = parse_duration(element.get("start"))
        start = start if told is None else told
        seconds = parse_duration(element.get("duration"))
        until = parse_duration(following.get("start")) if following is not None else whole
        if seconds is None and until is not None:  # where that makes no sense, the whole may be this one's
            seconds = until - start if until > start else whole if len(elements) == 1 else None
        if seconds != 0:  # one that is over at once has nothing in it
            yield element, Period(start, seconds)
        start += seconds or 0


def has_ended(mpd: Element, now: float) -> bool:
    """Whether a manifest that calls itself dynamic is of an event that is over: all of it can be had (§5.3.1.2)."""
    begun, last = parse_iso8601(mpd.get("availabilityStartTime")), list(periods(mpd, Document()))[-1:]
    if mpd.get("type") != "dynamic" or begun is None or not last or last[0][1].seconds is None:
        return False
    return bool(begun + last[0][1].start + last[0][1].seconds <= now)


def check_here(element: Element) -> bool:
    """Whether an element is to be read; UnsupportedTrackError where another document tells it (§5.5)."""
    elsewhere = element.get(_HREF)
    if elsewhere not in {None, "", _NOTHING}:
        raise UnsupportedTrackError("a part of the manifest is in another document")
    return elsewhere != _NOTHING
