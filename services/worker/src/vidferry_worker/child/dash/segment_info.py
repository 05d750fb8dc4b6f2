"""What SegmentTemplate, SegmentList and SegmentBase say of a representation, those above it included (§5.3.9)."""

from dataclasses import dataclass, field
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash import timeline
from vidferry_worker.child.dash.elements import Document, UnsupportedTrackError, positive, whole
from vidferry_worker.child.dash.segments import Fragment, Segments, byte_range, check_characters, fill, locate
from vidferry_worker.child.dash.timeline import Run, Timeline

_HREF = "{http://www.w3.org/1999/xlink}href"
_KINDS = ("SegmentList", "SegmentTemplate")


@dataclass(frozen=True)
class Place:
    """Where a representation stands."""

    levels: tuple[Element, ...]
    """itself, its adaptation set, its period"""
    base: str
    """the address that its own are relative to"""
    seconds: float | None
    """its period's length"""
    document: Document = field(default_factory=Document)

    @property
    def values(self) -> dict[str, str | int]:
        """A template's variables that are the same for all segments."""
        bandwidth = self.levels[0].get("bandwidth")
        values = {"RepresentationID": self.levels[0].get("id"), "Bandwidth": bandwidth}
        return {word: text for word, text in values.items() if text is not None} | (
            {"Bandwidth": int(bandwidth)} if bandwidth and bandwidth.isdecimal() else {}
        )


def offset(place: Place) -> float:
    """The time, in seconds on the media's own clock, at which its period begins."""
    info = _info(place)
    return info.offset / info.timescale


def segments(place: Place) -> Segments | None:
    """A representation's segments; None where it is one file. UnsupportedTrackError where they can't be told."""
    info = _info(place)
    if any(element.get(_HREF) for element in info.elements):
        raise UnsupportedTrackError("its segments are told in another document")
    if info.kind == "SegmentList":
        found: Segments | None = _of_list(place, info)
    elif info.kind == "SegmentTemplate" and info.get("media") is not None:
        found = _of_template(place, info)
    else:
        found = _of_file(place, info)
    if found is not None and not len(found.timeline):
        raise UnsupportedTrackError("it has no segments")
    if found is not None:
        check_characters(found.characters)
    return found


@dataclass(frozen=True)
class _Info:
    """The elements of one kind, the representation's own first: what it says comes before what is said above."""

    kind: str
    elements: tuple[Element, ...]
    document: Document

    def get(self, attribute: str) -> str | None:
        return next((text for each in self.elements if (text := each.get(attribute)) is not None), None)

    def child(self, wanted: str) -> Element | None:
        return next((found for each in self.elements if (found := self.document.child(each, wanted)) is not None), None)

    def children(self, wanted: str) -> list[Element]:
        return next((found for each in self.elements if (found := self.document.children(each, wanted))), [])

    @property
    def timescale(self) -> int:
        return max(1, whole(self.get("timescale"), 1))

    @property
    def start_number(self) -> int:
        return whole(self.get("startNumber"), 1)

    @property
    def offset(self) -> float:
        """@presentationTimeOffset: the media's time, in ticks, at which its period begins."""
        return whole(self.get("presentationTimeOffset"), 0)

    @property
    def most(self) -> int:
        """How many segments @endNumber allows."""
        end = self.get("endNumber")
        return timeline.MOST + 1 if end is None else max(0, whole(end, 0) - self.start_number + 1)

    def timeline(self, place: Place, most: int = timeline.MOST + 1) -> Timeline | None:
        """None where nothing tells it. Many representations may share one, which is then read once."""
        source, seconds = self.child("SegmentTimeline"), place.seconds
        entries = [] if source is None else self.document.children(source, "S")
        if entries:
            end = None if seconds is None else self.offset + seconds * self.timescale
            key = (source, self.timescale, self.start_number, end, min(most, self.most))
            if key not in self.document.read:
                self.document.read[key] = timeline.of_elements(entries, *key[1:])
            found: Timeline = self.document.read[key]
            return found
        duration = positive(self.get("duration"))
        if duration is None:
            return None
        return timeline.of_equal(duration, self.timescale, self.start_number, self.offset, seconds, self.most)


def _info(place: Place) -> _Info:
    """Of the kind that the lowest level has."""
    kinds = [kind for level in place.levels for kind in _KINDS if place.document.child(level, kind) is not None]
    kind = kinds[0] if kinds else "SegmentBase"
    found = (place.document.child(level, kind) for level in place.levels)
    return _Info(kind, tuple(element for element in found if element is not None), place.document)


def _beginning(place: Place, info: _Info) -> tuple[Fragment, ...]:
    template = info.get("initialization")
    if template is not None and info.kind == "SegmentTemplate":
        return (locate(place.base, fill(template, place.values)),)
    element = info.child("Initialization")
    if element is None:
        return ()
    return (locate(place.base, element.get("sourceURL") or "") | byte_range(element.get("range")),)


def _of_template(place: Place, info: _Info) -> Segments:
    template, values = info.get("media") or "", place.values
    if "$Number" not in template and "$Time" not in template:
        return _of_single(place, info, fill(template, values))
    found = info.timeline(place)
    if found is None:
        raise UnsupportedTrackError("how many segments there are is not told")

    def media(_: int, segment: Run) -> Fragment:
        return locate(place.base, fill(template, values | {"Number": segment.number, "Time": int(segment.time)}))

    media(0, Run(info.start_number, 0, None, 1))  # what is wrong with the template is to be known now
    return Segments(place.base, _beginning(place, info), found, media)


def _of_list(place: Place, info: _Info) -> Segments:
    entries = info.children("SegmentURL")
    if not entries:
        return _of_single(place, info)
    if len(entries) > timeline.MOST:
        raise UnsupportedTrackError(f"{len(entries)} segments")
    if entries[0] not in place.document.read:
        place.document.read[entries[0]] = [_listed(each) for each in entries]
    listed: list[tuple[str, Fragment]] = place.document.read[entries[0]]

    def media(index: int, _: Run) -> Fragment:
        address, span = listed[index]
        return locate(place.base, address) | span

    return Segments(place.base, _beginning(place, info), _of_count(place, info, len(listed)), media)


def _listed(entry: Element) -> tuple[str, Fragment]:
    """A SegmentURL's address and bytes."""
    return entry.get("media") or "", byte_range(entry.get("mediaRange"))


def _of_count(place: Place, info: _Info, count: int) -> Timeline:
    """The timeline of so many segments, however many it tells of."""
    told = info.timeline(place, count) if info.child("SegmentTimeline") is not None else None
    if told is not None and len(told) == count:
        return told
    return Timeline([Run(info.start_number, info.offset, positive(info.get("duration")), count)], info.timescale)


def _of_single(place: Place, info: _Info, address: str = "") -> Segments:
    """One segment, by default the representation's own file, behind an initialization."""
    run = Run(info.start_number, info.offset, (place.seconds or 0) * info.timescale, 1)
    single = locate(place.base, address)
    return Segments(place.base, _beginning(place, info), Timeline([run], info.timescale), lambda *_: single)


def _of_file(place: Place, info: _Info) -> Segments | None:
    """One file holds its own initialization, unless that has an address of its own."""
    element = info.child("Initialization")
    address = element.get("sourceURL") if element is not None else None
    if info.kind == "SegmentTemplate" and info.get("initialization") is not None:
        return _of_single(place, info)
    if not address or urljoin(place.base, address) == place.base:
        return None
    return _of_single(place, info)
