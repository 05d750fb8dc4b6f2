"""Lists and manifests of sites, and the boxes of their media, as a child reads them."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import strategies as st

from system.fuzz.target import NUMBERS, TEXTS, Check, Target
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child import expected_duration, plain_playlists
from vidferry_worker.child.dash import manifest, mp4
from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.child.dash.segments import Fragments
from vidferry_worker.child.hls.boxes import BoxError
from vidferry_worker.child.hls.discontinuities import TimestampJoiner, is_interchangeable
from vidferry_worker.child.hls.keys import is_drm_protected
from vidferry_worker.child.hls.live_status import has_ended
from vidferry_worker.child.hls.media_playlist import rewrite_media_playlist
from vidferry_worker.child.hls.multivariant_playlist import rewrite_multivariant_playlist
from vidferry_worker.child.hls.tags import split_lines
from vidferry_worker.child.hls.variables import substitute_variables

SECONDS = 10
"""of a processor, for an example of some kilobytes"""
ADDRESS = "https://site.example/list"
REFUSALS = (JobFailure, UnsupportedTrackError, BoxError)
FIGURES = st.one_of(
    NUMBERS.map(str), st.sampled_from(["-1", "2000000000", "1@1", "1-2", "0-", "9" * 30, "PT1S", "1e9"])
)
TAGS = (
    "EXTM3U", "EXTINF", "EXT-X-BYTERANGE", "EXT-X-MAP", "EXT-X-KEY", "EXT-X-GAP", "EXT-X-DEFINE", "EXT-X-MEDIA",
    "EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-MEDIA-SEQUENCE", "EXT-X-TARGETDURATION", "EXT-X-ENDLIST",
    "EXT-X-DISCONTINUITY", "EXT-X-PLAYLIST-TYPE", "EXT-X-PROGRAM-DATE-TIME", "EXT-X-SESSION-KEY",
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "URI",
        "METHOD",
        "IV",
        "BYTERANGE",
        "NAME",
        "VALUE",
        "IMPORT",
        "QUERYPARAM",
        "TYPE",
        "GROUP-ID",
        "AUDIO",
        "DEFAULT",
    ]
)
WORDS = st.one_of(TEXTS, FIGURES, st.sampled_from(["AES-128", "NONE", "AUDIO", "a", "{$a}", "a.ts", "0x1", "YES"]))
ATTRIBUTES = st.lists(st.builds('{}="{}"'.format, NAMES, WORDS), max_size=4).map(",".join)
LINES = st.one_of(
    st.builds("#{}:{}".format, st.sampled_from(TAGS), ATTRIBUTES | WORDS),
    st.sampled_from([f"#{tag}" for tag in TAGS]),
    WORDS,
)
LISTS = st.lists(LINES, max_size=25).map("\n".join)
ATTRIBUTE_NAMES = (
    "t", "d", "r", "n", "media", "initialization", "timescale", "duration", "startNumber", "endNumber", "start", "id",
    "presentationTimeOffset", "mediaRange", "range", "sourceURL", "mimeType", "bandwidth", "codecs", "dependencyId",
    "mediaPresentationDuration", "selectionPriority", "value",
)  # fmt: skip
SITES_WORDS = st.one_of(
    FIGURES,
    st.sampled_from(["$Number$", "$Time%099d$", "$Bandwidth$", "$RepresentationID$", "video/mp4", "http://["]),
    TEXTS,
)
GIVEN = st.dictionaries(st.sampled_from(ATTRIBUTE_NAMES), SITES_WORDS, max_size=5)


def _element(name: str, given: dict[str, str], children: list[ET.Element]) -> ET.Element:
    element = ET.Element(name, given)
    element.extend(children)
    return element


def _level(names: list[str], below: st.SearchStrategy[list[ET.Element]]) -> st.SearchStrategy[ET.Element]:
    return st.builds(_element, st.sampled_from(names), GIVEN, below)


TIMES = st.lists(_level(["S", "SegmentURL"], st.just([])), max_size=5)
TIMELINES = st.lists(_level(["SegmentTimeline", "Initialization", "SegmentURL"], TIMES), max_size=3)
INFOS = st.lists(_level(["SegmentTemplate", "SegmentList", "SegmentBase", "BaseURL", "Role"], TIMELINES), max_size=3)
TRACKS = st.lists(_level(["Representation", "SegmentTemplate", "SegmentList"], INFOS), max_size=4)
SETS = st.lists(_level(["AdaptationSet", "SegmentTemplate"], TRACKS), max_size=3)
MANIFESTS = _level(["MPD"], st.lists(_level(["Period"], SETS), max_size=3))
BOX_NAMES = (
    "moov",
    "trak",
    "mdia",
    "minf",
    "stbl",
    "stsd",
    "mdhd",
    "hdlr",
    "sidx",
    "moof",
    "traf",
    "tfhd",
    "tfdt",
    "trun",
)
BOXES = st.recursive(
    st.binary(max_size=40),
    lambda inner: st.builds(
        lambda name, parts, wrong: _box(name, b"".join(parts), wrong),
        st.sampled_from(BOX_NAMES), st.lists(inner, max_size=4), st.none() | st.integers(0, 2**32 - 1),
    ),
    max_leaves=12,
)  # fmt: skip


def _box(name: str, content: bytes, wrong_size: int | None) -> bytes:
    size = len(content) + 8 if wrong_size is None else wrong_size
    return size.to_bytes(4, "big") + name.encode() + content


@contextmanager
def _open() -> Iterator[Check]:
    yield _check


def _check(example: str | bytes | ET.Element) -> None:
    begun = time.process_time()
    for read in _reads(example):
        with suppress(*REFUSALS), redirect_stderr(io.StringIO()):  # where yt-dlp says what it doesn't know
            read()
    assert time.process_time() - begun < SECONDS


def _reads(example: str | bytes | ET.Element) -> Iterator[Callable[[], Any]]:
    """The ways in which the product reads such an example."""
    if isinstance(example, str):
        return _of_text(example)
    return _of_boxes(example) if isinstance(example, bytes) else _of_manifest(example)


def _of_text(text: str) -> Iterator[Callable[[], Any]]:
    def playlist() -> None:
        lines, _ = substitute_variables(split_lines(text), ADDRESS, {"a": "b"})
        has_ended(lines, {"Last-Modified": text[:40]})
        written = rewrite_media_playlist(lines, ADDRESS, lambda *_: True)
        assert len(written.text) <= 64 * (len(text) + len(ADDRESS)) + 2**20

    yield playlist
    yield lambda: rewrite_multivariant_playlist(text, ADDRESS)
    yield lambda: is_drm_protected(text)
    yield lambda: plain_playlists.find_first_entry(text, ADDRESS)
    yield lambda: expected_duration.from_hls_playlist(text)


def _of_manifest(mpd: ET.Element) -> Iterator[Callable[[], Any]]:
    def read() -> None:
        for track in manifest.read_manifest(mpd, ADDRESS).tracks:
            if track.segments is not None and not track.problem:
                fragments = Fragments([track.segments])
                assert fragments.duration >= 0
                assert len(fragments[:3]) == min(3, len(fragments))
                assert fragments[-1]

    yield read


def _of_boxes(data: bytes) -> Iterator[Callable[[], Any]]:
    yield lambda: mp4.read_track(data)
    yield lambda: mp4.read_segment_index(data)
    yield lambda: mp4.delay_fragment(data, 1)
    yield lambda: is_interchangeable(data, data + b"x")

    def join() -> None:
        joiner = TimestampJoiner({2})
        for number in (1, 2, 3):
            joiner.rewrite_fragment(data, number)

    yield join


def _show(example: str | bytes | ET.Element) -> str:
    return ET.tostring(example).decode() if isinstance(example, ET.Element) else ascii(example)


TARGET = Target(st.one_of(LISTS, MANIFESTS, BOXES), _open, round_size=10, show=_show)
