"""Joins periods whose tracks have initialization segments, or media timelines, of their own.

Only the initialization segments are fetched. Where they describe the same samples, the first one is used for all, and
the fragments of later periods are shifted to the start of their period (ISO/IEC 23009-1 §5.3.2.1).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from yt_dlp.networking.common import Request

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.dash import mp4
from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.child.dash.manifest import Track
from vidferry_worker.child.dash.segments import Fragment, Fragments, Segments
from vidferry_worker.child.dash.timeline import SegmentRun, Timeline

MAX_PERIODS = 200
"""each period costs a request"""
MAX_HEAD_BYTES = 256 * 1024
"""bytes of a file or an initialization segment that are read: a segment index has twelve for each fragment"""
TOLERATED_OVERLAP = 0.25
"""seconds by which a period may overlap the next"""

Fetch = Callable[[str, int, int], bytes]
"""fetches the bytes of a URL from start to end, or as many as there are"""


def resolve_fragments(ydl: Any, stream: dict[str, Any]) -> None:
    """Sets the fragments of a chosen format with several periods (period_merging.py); JobFailure where that fails."""
    tracks = stream.pop("dash_tracks", None)
    if not tracks:
        return

    @lru_cache(maxsize=4)
    def fetch(url: str, start: int, end: int) -> bytes:
        headers = {**(stream.get("http_headers") or {}), "Range": f"bytes={start}-{end - 1}"}
        with ydl.urlopen(Request(url, headers=headers)) as response:
            if start and response.status != HTTPStatus.PARTIAL_CONTENT:
                raise UnsupportedTrackError("the site knows no ranges")
            found = bytearray()
            while len(found) < end - start and (piece := response.read(end - start - len(found))):
                found += piece
            return bytes(found)

    try:
        stream["fragments"] = join_periods(tracks, fetch)
    except UnsupportedTrackError as error:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, str(error)) from error


def join_periods(tracks: Sequence[Track], fetch: Fetch) -> Fragments:
    """The fragments of all periods for one file; UnsupportedTrackError where one file can't contain them."""
    if len(tracks) > MAX_PERIODS:
        raise UnsupportedTrackError(f"{len(tracks)} periods with initializations of their own")
    parts = [
        _segments_in_file(track, fetch) if track.segments is None else track.segments.with_absolute_urls()
        for track in tracks
    ]
    first = mp4.read_track(_fetch_initialization(parts[0], fetch))
    known = {str(parts[0].initialization)}
    for number in range(1, len(parts)):
        if (
            str(parts[number].initialization) not in known
            and mp4.read_track(_fetch_initialization(parts[number], fetch)) != first
        ):
            raise UnsupportedTrackError("each period has samples of its own kind")
        known.add(str(parts[number].initialization))
        _check_overlap(tracks[number - 1], parts[number - 1], tracks[number])
    begins = [track.period.start - track.presentation_offset for track in tracks]
    moved = [round((begin - begins[0]) * first.timescale) for begin in begins]
    return Fragments(
        [parts[0], *(_delay_segments(part, ticks) for part, ticks in zip(parts[1:], moved[1:], strict=True))]
    )


def _check_overlap(track: Track, part: Segments, following: Track) -> None:
    if track.period.seconds is None:
        raise UnsupportedTrackError("a period's length is not told")
    if track.period.start + part.timeline.end - track.presentation_offset > following.period.start + TOLERATED_OVERLAP:
        raise UnsupportedTrackError("a period reaches into the next")


def _fetch_initialization(part: Segments, fetch: Fetch) -> bytes:
    if len(part.initialization) != 1:
        raise UnsupportedTrackError("a period without an initialization")
    span = part.initialization[0].get("byte_range") or {"start": 0, "end": MAX_HEAD_BYTES}
    return fetch(part.initialization[0]["url"], span["start"], min(span["end"], span["start"] + MAX_HEAD_BYTES))


def _delay_segments(part: Segments, ticks: int) -> Segments:
    def media(index: int, segment: SegmentRun) -> Fragment:
        return part.locate_segment(index, segment) | {"later": ticks}

    return replace(part, initialization=(), locate_segment=media)


def _segments_in_file(track: Track, fetch: Fetch) -> Segments:
    """The segments of a file, by its segment index, that belong to the track's period: periods may share a file."""
    found = mp4.read_segment_index(fetch(track.base_url, 0, MAX_HEAD_BYTES))
    begin = {"url": track.base_url, "byte_range": {"start": 0, "end": found.init_size}}
    runs, spans, time = list[SegmentRun](), list[Fragment](), found.start
    for start, end, ticks in found.fragments:
        middle = (time + ticks / 2) / found.timescale - track.presentation_offset
        if 0 <= middle < (track.period.seconds or math.inf):
            runs.append(SegmentRun(len(runs), time, ticks, 1))
            spans.append({"url": track.base_url, "byte_range": {"start": start, "end": end}})
        time += ticks
    if not runs:
        raise UnsupportedTrackError("a period of which its file holds nothing")
    return Segments(track.base_url, (begin,), Timeline(runs, found.timescale), lambda index, _: dict(spans[index]))
