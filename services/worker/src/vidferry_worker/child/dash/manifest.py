"""A manifest's periods and tracks: where each track is, and an outline of the manifest for yt-dlp to read the rest."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from yt_dlp.utils import parse_codecs, parse_duration, parse_iso8601

from vidferry_worker.child.dash.elements import Document, UnsupportedTrackError
from vidferry_worker.child.dash.roles import roles
from vidferry_worker.child.dash.segment_info import Place, offset, segments
from vidferry_worker.child.dash.segments import Segments

MOST_TRACKS = 20_000
"""of a manifest, each counted once a period"""
_BASES = 10
"""BaseURLs of one level that are looked at"""
_SCHEMES = frozenset({"http", "https"})
_HREF, _NOTHING = "{http://www.w3.org/1999/xlink}href", "urn:mpeg:dash:resolve-to-zero:2013"
_TRICK_MODE = re.compile(r"https?://dashif\.org/guidelines/trickmode", re.IGNORECASE)


@dataclass
class Track:
    """A representation in one period."""

    kind: str
    """`video`, `audio`, or what else its media type begins with"""
    period: "Period"
    roles: frozenset[str]
    is_muxed: bool
    """whether it is said to be picture and sound in one"""
    priority: str | None
    """as @selectionPriority has it"""
    base: str = ""
    offset: float = 0
    """the time, in seconds on the media's own clock, at which the period begins"""
    segments: Segments | None = None
    """None where it is one file, at base"""
    problem: str = ""
    """why it can't be fetched, empty where it can"""

    def place(self, manifest_url: str, mpd: Element, levels: tuple[Element, ...], document: Document) -> None:
        """Reads where it is, or what is wrong with that."""
        if levels[0].get("dependencyId"):
            self.problem = "it is a part of another track"
        try:
            self.base = resolve(document, manifest_url, (mpd, *reversed(levels)))
            place = Place(levels, self.base, self.period.seconds, document)
            self.offset, self.segments = offset(place), segments(place)
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
    begun, last = parse_iso8601(mpd.get("availabilityStartTime")), list(_periods(mpd, Document()))[-1:]
    if mpd.get("type") != "dynamic" or begun is None or not last or last[0][1].seconds is None:
        return False
    return bool(begun + last[0][1].start + last[0][1].seconds <= now)


def read(mpd: Element, manifest_url: str) -> Manifest:
    """UnsupportedTrackError where what it names is not here, or is too much."""
    manifest = Manifest(_copy(mpd))
    document = Document()
    for element, period in _periods(mpd, document):
        outline = _copy(element, manifest.outline)
        for adaptation_set in document.children(element, "AdaptationSet"):
            if not _check_here(adaptation_set) or _is_for_seeking(document, adaptation_set):
                continue
            set_outline = _copy(adaptation_set, outline, document.children(adaptation_set, "ContentProtection"))
            for representation in document.children(adaptation_set, "Representation"):
                if len(manifest.tracks) >= MOST_TRACKS:
                    raise UnsupportedTrackError("too many tracks")
                levels = (representation, adaptation_set, element)
                kind, media_type = _type(adaptation_set, representation)
                _outline(document, representation, set_outline, len(manifest.tracks), kind, media_type)
                period.sound_apart |= kind == "audio"
                priority = adaptation_set.get("selectionPriority")
                track = Track(
                    kind, period, roles(document, adaptation_set), _is_muxed(document, adaptation_set), priority
                )
                track.place(manifest_url, mpd, levels, document)
                manifest.tracks.append(track)
    return manifest


def resolve(document: Document, manifest_url: str, levels: Iterable[Element]) -> str:
    """The address that a representation's are relative to: each level's BaseURL, by the one above it (§5.6.4).

    Of several, which are said to lead to the same, the first is taken that leads to a web server.
    """
    base = manifest_url
    for level in levels:
        told = [urljoin(base, (each.text or "").strip()) for each in document.children(level, "BaseURL")[:_BASES]]
        base = next((each for each in told if each.partition(":")[0].lower() in _SCHEMES), told[0] if told else base)
    return base


def _periods(mpd: Element, document: Document) -> Iterator[tuple[Element, Period]]:
    """Each with its begin and length (§5.3.2.1); UnsupportedTrackError where one is in another document."""
    whole = parse_duration(mpd.get("mediaPresentationDuration")) or None
    elements = [each for each in document.children(mpd, "Period") if _check_here(each)]
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


def _is_muxed(document: Document, adaptation_set: Element) -> bool:
    """Whether its parts are told apart as picture and sound (§5.3.4)."""
    parts = document.children(adaptation_set, "ContentComponent")
    return {"video", "audio"} <= {each.get("contentType") for each in parts}


def _is_for_seeking(document: Document, adaptation_set: Element) -> bool:
    """Whether it is single pictures, shown while a player winds (DASH-IF IOP §3.2.9)."""
    names = ("EssentialProperty", "SupplementalProperty")
    properties = chain.from_iterable(document.children(adaptation_set, name) for name in names)
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


def _copy(element: Element, parent: Element | None = None, kept: Iterable[Element] = ()) -> Element:
    """An element without its children, but for those that are kept, below a parent."""
    copied = Element(element.tag, element.attrib)
    copied.extend(kept)
    if parent is not None:
        parent.append(copied)
    return copied


def _outline(
    document: Document, representation: Element, parent: Element, number: int, kind: str, media_type: str
) -> None:
    outline = _copy(representation, parent, document.children(representation, "ContentProtection"))
    if kind:
        outline.set("contentType", kind)
    outline.set("mimeType", media_type)
    told = document.child(representation, "BaseURL")
    base = Element(representation.tag.replace("Representation", "BaseURL"), {} if told is None else told.attrib)
    base.text = address(number)
    outline.append(base)
