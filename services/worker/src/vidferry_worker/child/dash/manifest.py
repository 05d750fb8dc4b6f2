"""A manifest's periods and tracks: where each track is, and an outline of the manifest for yt-dlp to read the rest."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from yt_dlp.utils import parse_codecs, parse_duration, parse_iso8601

from vidferry_worker.child.dash.elements import UnsupportedTrackError, child, children
from vidferry_worker.child.dash.segment_info import Place, segments
from vidferry_worker.child.dash.segments import Segments

MOST_TRACKS = 20_000
"""of a manifest, each counted once a period"""
_HREF, _NOTHING = "{http://www.w3.org/1999/xlink}href", "urn:mpeg:dash:resolve-to-zero:2013"
_TRICK_MODE = re.compile(r"https?://dashif\.org/guidelines/trickmode", re.IGNORECASE)


@dataclass
class Track:
    """A representation in one period."""

    kind: str
    """`video`, `audio`, or what else its media type begins with"""
    period: "Period"
    adaptation_set: Element
    base: str = ""
    segments: Segments | None = None
    """None where it is one file, at base"""
    problem: str = ""
    """why it can't be fetched, empty where it can"""

    def place(self, manifest_url: str, mpd: Element, levels: tuple[Element, ...], timelines: dict[Any, Any]) -> None:
        """Reads where it is, or what is wrong with that."""
        if levels[0].get("dependencyId"):
            self.problem = "it is a part of another track"
        try:
            self.base = resolve(manifest_url, (mpd, *reversed(levels)))
            self.segments = segments(Place(levels, self.base, self.period.seconds, timelines))
        except (UnsupportedTrackError, ValueError) as error:  # ValueError: urljoin, of what is no address
            self.problem = str(error)
        if self.segments is None and self.base == manifest_url:
            self.problem = self.problem or "it has no address"


@dataclass
class Period:
    """A period and the presentation's time, in seconds, at which it begins."""

    start: float
    seconds: float | None
    sound_apart: bool = False
    """whether it has tracks of sound alone"""


@dataclass
class Manifest:
    """What was read."""

    outline: Element
    """the manifest without segments; each representation's address is its track's, by address()"""
    tracks: list[Track] = field(default_factory=list)

    def track(self, address: str) -> Track:
        return self.tracks[int(address.rpartition("/")[2])]


def address(number: int) -> str:
    """What stands for a track in the outline; absolute, so that yt-dlp joins nothing to it."""
    return f"https://track.invalid/{number}"


def has_ended(mpd: Element, now: float) -> bool:
    """Whether a manifest that calls itself dynamic is of an event that is over: all of it can be had (§5.3.1.2)."""
    begun, last = parse_iso8601(mpd.get("availabilityStartTime")), list(_periods(mpd))[-1:]
    if mpd.get("type") != "dynamic" or begun is None or not last or last[0][1].seconds is None:
        return False
    return bool(begun + last[0][1].start + last[0][1].seconds <= now)


def read(mpd: Element, manifest_url: str) -> Manifest:
    """UnsupportedTrackError where what it names is not here, or is too much."""
    manifest = Manifest(_copy(mpd))
    timelines: dict[Any, Any] = {}
    for element, period in _periods(mpd):
        outline = _copy(element, manifest.outline)
        for adaptation_set in children(element, "AdaptationSet"):
            _check_here(adaptation_set)
            if _is_for_seeking(adaptation_set):
                continue
            set_outline = _copy(adaptation_set, outline, "ContentProtection")
            for representation in children(adaptation_set, "Representation"):
                if len(manifest.tracks) >= MOST_TRACKS:
                    raise UnsupportedTrackError("too many tracks")
                levels = (representation, adaptation_set, element)
                kind, media_type = _type(adaptation_set, representation)
                _outline(representation, set_outline, len(manifest.tracks), kind, media_type)
                period.sound_apart |= kind == "audio"
                track = Track(kind, period, adaptation_set)
                track.place(manifest_url, mpd, levels, timelines)
                manifest.tracks.append(track)
    return manifest


def resolve(manifest_url: str, levels: Iterable[Element]) -> str:
    """The address that a representation's are relative to: each level's first BaseURL, by the one above it (§5.6.4)."""
    base = manifest_url
    for level in levels:
        element = child(level, "BaseURL")
        if element is not None:
            base = urljoin(base, (element.text or "").strip())
    return base


def _periods(mpd: Element) -> Iterator[tuple[Element, Period]]:
    """Each with its begin and length (§5.3.2.1); UnsupportedTrackError where one is in another document."""
    whole = parse_duration(mpd.get("mediaPresentationDuration")) or None
    elements = [each for each in children(mpd, "Period") if _check_here(each)]
    start = 0.0
    for element, following in zip(elements, [*elements[1:], None], strict=True):
        told = parse_duration(element.get("start"))
        start = start if told is None else told
        seconds = parse_duration(element.get("duration"))
        until = parse_duration(following.get("start")) if following is not None else whole
        if seconds is None and until is not None:
            seconds = max(0.0, until - start)
        if seconds != 0:  # one that is over at once has nothing in it
            yield element, Period(start, seconds)
        start += seconds or 0


def _check_here(element: Element) -> bool:
    """Whether an element is to be read; UnsupportedTrackError where another document tells it (§5.5)."""
    elsewhere = element.get(_HREF)
    if elsewhere not in {None, "", _NOTHING}:
        raise UnsupportedTrackError("a part of the manifest is in another document")
    return elsewhere != _NOTHING


def _is_for_seeking(adaptation_set: Element) -> bool:
    """Whether it is single pictures, shown while a player winds (DASH-IF IOP §3.2.9)."""
    properties = (*children(adaptation_set, "EssentialProperty"), *children(adaptation_set, "SupplementalProperty"))
    return any(_TRICK_MODE.match(each.get("schemeIdUri", "")) for each in properties)


def _type(adaptation_set: Element, representation: Element) -> tuple[str, str]:
    """Its kind and media type, also where only the one, the codecs or a picture's size tell it (§5.3.7.2)."""
    attributes = adaptation_set.attrib | representation.attrib
    media_type = attributes.get("mimeType", "")
    kind = attributes.get("contentType") or media_type.partition("/")[0]
    if kind not in {"video", "audio", "text", "image"}:
        codecs = parse_codecs(attributes.get("codecs", ""))
        if codecs.get("vcodec", "none") != "none" or "width" in attributes or "height" in attributes:
            kind = "video"
        elif codecs.get("acodec", "none") != "none" or "audioSamplingRate" in attributes:
            kind = "audio"
    if not media_type and kind in {"video", "audio"}:
        media_type = f"{kind}/mp4"
    return kind, media_type


def _copy(element: Element, parent: Element | None = None, *kept: str) -> Element:
    """An element without its children, but for those of the kept names, below a parent."""
    copied = Element(element.tag, element.attrib)
    copied.extend(each for wanted in kept for each in children(element, wanted))
    if parent is not None:
        parent.append(copied)
    return copied


def _outline(representation: Element, parent: Element, number: int, kind: str, media_type: str) -> None:
    outline = _copy(representation, parent, "ContentProtection")
    if kind:
        outline.set("contentType", kind)
    outline.set("mimeType", media_type)
    told = child(representation, "BaseURL")
    base = Element(representation.tag.replace("Representation", "BaseURL"), {} if told is None else told.attrib)
    base.text = address(number)
    outline.append(base)
