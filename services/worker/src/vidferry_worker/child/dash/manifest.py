"""Reads a manifest: its tracks, and where the segments of each track are in each period."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash import outline
from vidferry_worker.child.dash.content_type import is_muxed, is_trick_mode, read_content_type
from vidferry_worker.child.dash.elements import ElementIndex, UnsupportedTrackError
from vidferry_worker.child.dash.period_times import Period, is_present, read_periods
from vidferry_worker.child.dash.roles import read_roles
from vidferry_worker.child.dash.segment_info import RepresentationContext, read_presentation_offset, read_segments
from vidferry_worker.child.dash.segments import Segments

MAX_TRACKS = 20_000
"""tracks of a manifest, each counted once per period"""
MAX_TRACKS_PER_PERIOD = 1000
"""as many as a video may have formats"""
_MAX_BASE_URLS = 10
"""BaseURL elements of one level that are read"""
_SCHEMES = frozenset({"http", "https"})


@dataclass
class Track:
    """A representation in one period."""

    kind: str
    """`video`, `audio`, or another content type"""
    period: Period
    roles: frozenset[str]
    is_muxed: bool
    """whether it has video and audio in one stream"""
    priority: str | None
    """@selectionPriority"""
    base_url: str = ""
    presentation_offset: float = 0
    """@presentationTimeOffset in seconds: the time on the media timeline at which the period begins"""
    segments: Segments | None = None
    """None for a single file at base_url"""
    problem: str = ""
    """why it can't be fetched; empty where it can"""

    def locate_segments(self, manifest_url: str, levels: tuple[Element, ...], index: ElementIndex) -> None:
        """Reads where the track is, or why it can't be fetched; levels are the elements from representation to MPD."""
        if levels[0].get("dependencyId"):
            self.problem = "it is a part of another track"
        try:
            self.base_url = resolve_base_url(index, manifest_url, reversed(levels))
            context = RepresentationContext(levels[:-1], self.base_url, self.period.seconds, index)
            self.presentation_offset, self.segments = read_presentation_offset(context), read_segments(context)
        except (UnsupportedTrackError, ValueError) as error:  # ValueError: urljoin() of an invalid URL
            self.problem = str(error)
        if self.segments is None and self.base_url == manifest_url:
            self.problem = self.problem or "it has no address"


@dataclass
class Manifest:
    """The tracks of a manifest, and the outline of it that yt-dlp reads."""

    outline: Element
    """see outline.py"""
    tracks: list[Track] = field(default_factory=list)

    def track_at(self, url: str) -> Track:
        return self.tracks[outline.track_number(url)]


def read_manifest(mpd: Element, manifest_url: str) -> Manifest:
    """Reads a manifest; UnsupportedTrackError where a part is in another document, or it has too many tracks."""
    manifest, index = Manifest(outline.copy_element(mpd)), ElementIndex()
    for element, period in read_periods(mpd, index):
        below = outline.copy_element(element, manifest.outline)
        for adaptation_set in index.find_children(element, "AdaptationSet"):
            if is_present(adaptation_set) and not is_trick_mode(index, adaptation_set):
                _read_adaptation_set(manifest, index, (adaptation_set, element, mpd), period, below, manifest_url)
    return manifest


def _read_adaptation_set(
    manifest: Manifest, index: ElementIndex, above: tuple[Element, ...], period: Period, below: Element, url: str
) -> None:
    """Adds the tracks of an adaptation set to a manifest and its outline; above begins with the set and ends at MPD."""
    adaptation_set = above[0]
    copied = outline.copy_element(adaptation_set, below, index.find_children(adaptation_set, "ContentProtection"))
    roles, muxed = read_roles(index, adaptation_set), is_muxed(index, adaptation_set)
    for representation in index.find_children(adaptation_set, "Representation"):
        period.track_count += 1
        if len(manifest.tracks) >= MAX_TRACKS or period.track_count > MAX_TRACKS_PER_PERIOD:
            raise UnsupportedTrackError("too many tracks")
        kind, of_media = read_content_type(adaptation_set, representation)
        outline.add_track(index, representation, copied, len(manifest.tracks), kind, of_media)
        period.has_separate_audio |= kind == "audio"
        track = Track(kind, period, roles, muxed, adaptation_set.get("selectionPriority"))
        track.locate_segments(url, (representation, *above), index)
        manifest.tracks.append(track)


def resolve_base_url(index: ElementIndex, manifest_url: str, levels: Iterable[Element]) -> str:
    """The base URL of a representation: each level's BaseURL is resolved against the level above (§5.6.4).

    Several BaseURLs of one level are alternatives: the first with http or https is taken.
    """
    base = manifest_url
    for level in levels:
        urls = [
            urljoin(base, (each.text or "").strip()) for each in index.find_children(level, "BaseURL")[:_MAX_BASE_URLS]
        ]
        base = next((each for each in urls if each.partition(":")[0].lower() in _SCHEMES), urls[0] if urls else base)
    return base
