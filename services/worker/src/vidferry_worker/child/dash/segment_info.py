"""Reads SegmentTemplate, SegmentList and SegmentBase of a representation and of the levels above it (§5.3.9)."""

from dataclasses import dataclass, field
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash import timeline
from vidferry_worker.child.dash.elements import ElementIndex, UnsupportedTrackError, parse_integer, parse_positive
from vidferry_worker.child.dash.segments import (
    Fragment,
    Segments,
    check_url_characters,
    fill_template,
    make_fragment,
    parse_byte_range,
)
from vidferry_worker.child.dash.timeline import SegmentRun, Timeline

_HREF = "{http://www.w3.org/1999/xlink}href"
_KINDS = ("SegmentList", "SegmentTemplate")


@dataclass(frozen=True)
class RepresentationContext:
    """A representation with what surrounds it in the manifest."""

    levels: tuple[Element, ...]
    """the representation, its adaptation set, its period"""
    base_url: str
    """the URL that relative ones are resolved against"""
    seconds: float | None
    """the duration of the period"""
    index: ElementIndex = field(default_factory=ElementIndex)

    @property
    def template_values(self) -> dict[str, str | int]:
        """The template variables that are the same for all segments."""
        bandwidth = self.levels[0].get("bandwidth")
        values = {"RepresentationID": self.levels[0].get("id"), "Bandwidth": bandwidth}
        return {word: text for word, text in values.items() if text is not None} | (
            {"Bandwidth": int(bandwidth)} if bandwidth and bandwidth.isdecimal() else {}
        )


def read_presentation_offset(context: RepresentationContext) -> float:
    """@presentationTimeOffset in seconds: the time on the media timeline at which the period begins."""
    info = _read_segment_info(context)
    return info.presentation_offset / info.timescale


def read_segments(context: RepresentationContext) -> Segments | None:
    """The segments of a representation; None for a single file. UnsupportedTrackError where they are unknown."""
    info = _read_segment_info(context)
    if any(element.get(_HREF) for element in info.elements):
        raise UnsupportedTrackError("its segments are told in another document")
    if info.kind == "SegmentList":
        found: Segments | None = _segments_from_list(context, info)
    elif info.kind == "SegmentTemplate" and info.attribute("media") is not None:
        found = _segments_from_template(context, info)
    else:
        found = _segments_from_file(context, info)
    if found is not None and not len(found.timeline):
        raise UnsupportedTrackError("it has no segments")
    if found is not None:
        check_url_characters(found.url_characters)
    return found


@dataclass(frozen=True)
class _SegmentInfo:
    """The segment elements of one kind; those of the representation come first, and override the levels above."""

    kind: str
    elements: tuple[Element, ...]
    index: ElementIndex

    def attribute(self, attribute: str) -> str | None:
        return next((text for each in self.elements if (text := each.get(attribute)) is not None), None)

    def find_child(self, wanted: str) -> Element | None:
        return next(
            (found for each in self.elements if (found := self.index.find_child(each, wanted)) is not None), None
        )

    def find_children(self, wanted: str) -> list[Element]:
        return next((found for each in self.elements if (found := self.index.find_children(each, wanted))), [])

    @property
    def timescale(self) -> int:
        return max(1, parse_integer(self.attribute("timescale"), 1))

    @property
    def start_number(self) -> int:
        return parse_integer(self.attribute("startNumber"), 1)

    @property
    def presentation_offset(self) -> float:
        """@presentationTimeOffset in ticks: the time on the media timeline at which the period begins."""
        return parse_integer(self.attribute("presentationTimeOffset"), 0)

    @property
    def max_segments(self) -> int:
        """How many segments there are up to @endNumber."""
        end = self.attribute("endNumber")
        return timeline.MAX_SEGMENTS + 1 if end is None else max(0, parse_integer(end, 0) - self.start_number + 1)

    def read_timeline(self, context: RepresentationContext, most: int = timeline.MAX_SEGMENTS + 1) -> Timeline | None:
        """The timeline, None where there is none. One that many representations share is read only once."""
        source, seconds = self.find_child("SegmentTimeline"), context.seconds
        entries = [] if source is None else self.index.find_children(source, "S")
        if entries:
            end = None if seconds is None else self.presentation_offset + seconds * self.timescale
            key = (source, self.timescale, self.start_number, end, min(most, self.max_segments))
            if key not in self.index.shared:
                self.index.shared[key] = timeline.timeline_from_elements(entries, *key[1:])
            found: Timeline = self.index.shared[key]
            return found
        duration = parse_positive(self.attribute("duration"))
        if duration is None:
            return None
        return timeline.timeline_from_duration(
            duration, self.timescale, self.start_number, self.presentation_offset, seconds, self.max_segments
        )


def _read_segment_info(context: RepresentationContext) -> _SegmentInfo:
    """The segment elements, of the kind that the lowest level uses."""
    kinds = [kind for level in context.levels for kind in _KINDS if context.index.find_child(level, kind) is not None]
    kind = kinds[0] if kinds else "SegmentBase"
    found = (context.index.find_child(level, kind) for level in context.levels)
    return _SegmentInfo(kind, tuple(element for element in found if element is not None), context.index)


def _read_initialization(context: RepresentationContext, info: _SegmentInfo) -> tuple[Fragment, ...]:
    template = info.attribute("initialization")
    if template is not None and info.kind == "SegmentTemplate":
        return (make_fragment(context.base_url, fill_template(template, context.template_values)),)
    element = info.find_child("Initialization")
    if element is None:
        return ()
    return (make_fragment(context.base_url, element.get("sourceURL") or "") | parse_byte_range(element.get("range")),)


def _segments_from_template(context: RepresentationContext, info: _SegmentInfo) -> Segments:
    template, values = info.attribute("media") or "", context.template_values
    if "$Number" not in template and "$Time" not in template:
        return _single_segment(context, info, fill_template(template, values))
    found = info.read_timeline(context)
    if found is None:
        raise UnsupportedTrackError("how many segments there are is not told")

    def media(_: int, segment: SegmentRun) -> Fragment:
        return make_fragment(
            context.base_url, fill_template(template, values | {"Number": segment.number, "Time": int(segment.time)})
        )

    media(0, SegmentRun(info.start_number, 0, None, 1))  # raises now if the template is invalid
    return Segments(context.base_url, _read_initialization(context, info), found, media)


def _segments_from_list(context: RepresentationContext, info: _SegmentInfo) -> Segments:
    entries = info.find_children("SegmentURL")
    if not entries:
        return _single_segment(context, info)
    if len(entries) > timeline.MAX_SEGMENTS:
        raise UnsupportedTrackError(f"{len(entries)} segments")
    if entries[0] not in context.index.shared:
        context.index.shared[entries[0]] = [_read_segment_url(each) for each in entries]
    listed: list[tuple[str, Fragment]] = context.index.shared[entries[0]]

    def media(index: int, _: SegmentRun) -> Fragment:
        url, span = listed[index]
        return make_fragment(context.base_url, url) | span

    return Segments(
        context.base_url, _read_initialization(context, info), _timeline_of_count(context, info, len(listed)), media
    )


def _read_segment_url(entry: Element) -> tuple[str, Fragment]:
    """The URL and byte range of a SegmentURL."""
    return entry.get("media") or "", parse_byte_range(entry.get("mediaRange"))


def _timeline_of_count(context: RepresentationContext, info: _SegmentInfo, count: int) -> Timeline:
    """A timeline of exactly so many segments."""
    found = info.read_timeline(context, count) if info.find_child("SegmentTimeline") is not None else None
    if found is not None and len(found) == count:
        return found
    return Timeline(
        [SegmentRun(info.start_number, info.presentation_offset, parse_positive(info.attribute("duration")), count)],
        info.timescale,
    )


def _single_segment(context: RepresentationContext, info: _SegmentInfo, url: str = "") -> Segments:
    """An initialization segment and one media segment, by default the file at the base URL."""
    run = SegmentRun(info.start_number, info.presentation_offset, (context.seconds or 0) * info.timescale, 1)
    single = make_fragment(context.base_url, url)
    return Segments(
        context.base_url, _read_initialization(context, info), Timeline([run], info.timescale), lambda *_: single
    )


def _segments_from_file(context: RepresentationContext, info: _SegmentInfo) -> Segments | None:
    """None for a file that contains its initialization segment; else that segment and the file."""
    element = info.find_child("Initialization")
    url = element.get("sourceURL") if element is not None else None
    if info.kind == "SegmentTemplate" and info.attribute("initialization") is not None:
        return _single_segment(context, info)
    if not url or urljoin(context.base_url, url) == context.base_url:
        return None
    return _single_segment(context, info)
