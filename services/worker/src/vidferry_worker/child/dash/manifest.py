"""A manifest's tracks, and where each of them is in each period."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash import outline
from vidferry_worker.child.dash.content_type import is_for_seeking, is_muxed, media_type
from vidferry_worker.child.dash.elements import Document, UnsupportedTrackError
from vidferry_worker.child.dash.period_times import Period, check_here, periods
from vidferry_worker.child.dash.roles import roles
from vidferry_worker.child.dash.segment_info import Place, offset, segments
from vidferry_worker.child.dash.segments import Segments

MOST_TRACKS = 20_000
"""of a manifest, each counted once a period"""
MOST_OF_A_PERIOD = 1000
"""tracks, as many as a video may have formats"""
_BASES = 10
"""BaseURLs of one level that are looked at"""
_SCHEMES = frozenset({"http", "https"})


@dataclass
class Track:
    """A representation in one period."""

    kind: str
    """`video`, `audio`, or what else its media type begins with"""
    period: Period
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

    def place(self, manifest_url: str, levels: tuple[Element, ...], document: Document) -> None:
        """Reads where it is, or what is wrong with that; levels lead from the representation to the manifest."""
        if levels[0].get("dependencyId"):
            self.problem = "it is a part of another track"
        try:
            self.base = resolve(document, manifest_url, reversed(levels))
            place = Place(levels[:-1], self.base, self.period.seconds, document)
            self.offset, self.segments = offset(place), segments(place)
        except (UnsupportedTrackError, ValueError) as error:  # ValueError: urljoin, of what is no address
            self.problem = str(error)
        if self.segments is None and self.base == manifest_url:
            self.problem = self.problem or "it has no address"


@dataclass
class Manifest:
    """A manifest as it was read."""

    outline: Element
    """what yt-dlp is to read, see outline.py"""
    tracks: list[Track] = field(default_factory=list)

    def track(self, address: str) -> Track:
        return self.tracks[outline.number(address)]


def read(mpd: Element, manifest_url: str) -> Manifest:
    """UnsupportedTrackError where what it names is not here, or is too much."""
    manifest, document = Manifest(outline.copy(mpd)), Document()
    for element, period in periods(mpd, document):
        below = outline.copy(element, manifest.outline)
        for adaptation_set in document.children(element, "AdaptationSet"):
            if check_here(adaptation_set) and not is_for_seeking(document, adaptation_set):
                _read_set(manifest, document, (adaptation_set, element, mpd), period, below, manifest_url)
    return manifest


def _read_set(
    manifest: Manifest, document: Document, above: tuple[Element, ...], period: Period, below: Element, url: str
) -> None:
    """Adds the tracks of an adaptation set, the first of what is above them, to a manifest and its outline."""
    adaptation_set = above[0]
    copied = outline.copy(adaptation_set, below, document.children(adaptation_set, "ContentProtection"))
    told, muxed = roles(document, adaptation_set), is_muxed(document, adaptation_set)
    for representation in document.children(adaptation_set, "Representation"):
        period.tracks += 1
        if len(manifest.tracks) >= MOST_TRACKS or period.tracks > MOST_OF_A_PERIOD:
            raise UnsupportedTrackError("too many tracks")
        kind, of_media = media_type(adaptation_set, representation)
        outline.add_track(document, representation, copied, len(manifest.tracks), kind, of_media)
        period.sound_apart |= kind == "audio"
        track = Track(kind, period, told, muxed, adaptation_set.get("selectionPriority"))
        track.place(url, (representation, *above), document)
        manifest.tracks.append(track)


def resolve(document: Document, manifest_url: str, levels: Iterable[Element]) -> str:
    """The address that a representation's are relative to: each level's BaseURL, by the one above it (§5.6.4).

    Of several, which are said to lead to the same, the first is taken that leads to a web server.
    """
    base = manifest_url
    for level in levels:
        told = [urljoin(base, (each.text or "").strip()) for each in document.children(level, "BaseURL")[:_BASES]]
        base = next((each for each in told if each.partition(":")[0].lower() in _SCHEMES), told[0] if told else base)
    return base
