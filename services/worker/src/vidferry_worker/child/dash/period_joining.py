"""Periods whose tracks have initializations, or clocks, of their own: joined in one file where decoders don't notice.

The beginnings alone are fetched. Where they describe the same samples, the first one stands for all, and what follows
is moved to the time at which its period begins (ISO/IEC 23009-1 §5.3.2.1).
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
from vidferry_worker.child.dash.timeline import Run, Timeline

MOST = 200
"""periods, each of which costs a request"""
HEAD = 256 * 1024
"""bytes of a file or an initialization that are read at most: an index takes twelve for each fragment"""
OVERLAP = 0.25
"""seconds by which a period may reach into the next"""

Fetch = Callable[[str, int, int], bytes]
"""the bytes of an address from start to end, or those that there are"""


def settle(ydl: Any, stream: dict[str, Any]) -> None:
    """Gives a chosen format of several periods (period_merging.py) its fragments; JobFailure where it can have none."""
    tracks = stream.pop("dash_tracks", None)
    if not tracks:
        return

    @lru_cache(maxsize=4)
    def fetch(address: str, start: int, end: int) -> bytes:
        headers = {**(stream.get("http_headers") or {}), "Range": f"bytes={start}-{end - 1}"}
        with ydl.urlopen(Request(address, headers=headers)) as response:
            if start and response.status != HTTPStatus.PARTIAL_CONTENT:
                raise UnsupportedTrackError("the site knows no ranges")
            found = bytearray()
            while len(found) < end - start and (piece := response.read(end - start - len(found))):
                found += piece
            return bytes(found)

    try:
        stream["fragments"] = joined(tracks, fetch)
    except UnsupportedTrackError as error:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, str(error)) from error


def joined(tracks: Sequence[Track], fetch: Fetch) -> Fragments:
    """One file's fragments of all periods; UnsupportedTrackError where no one file can hold them."""
    if len(tracks) > MOST:
        raise UnsupportedTrackError(f"{len(tracks)} periods with initializations of their own")
    parts = [_of_file(track, fetch) if track.segments is None else track.segments.absolute() for track in tracks]
    first = mp4.track(_beginning(parts[0], fetch))
    known = {str(parts[0].beginning)}
    for number in range(1, len(parts)):
        if str(parts[number].beginning) not in known and mp4.track(_beginning(parts[number], fetch)) != first:
            raise UnsupportedTrackError("each period has samples of its own kind")
        known.add(str(parts[number].beginning))
        _check_overlap(tracks[number - 1], parts[number - 1], tracks[number])
    begins = [track.period.start - track.offset for track in tracks]
    moved = [round((begin - begins[0]) * first.timescale) for begin in begins]
    return Fragments([parts[0], *(_later(part, ticks) for part, ticks in zip(parts[1:], moved[1:], strict=True))])


def _check_overlap(track: Track, part: Segments, following: Track) -> None:
    if track.period.seconds is None:
        raise UnsupportedTrackError("a period's length is not told")
    if track.period.start + part.timeline.end - track.offset > following.period.start + OVERLAP:
        raise UnsupportedTrackError("a period reaches into the next")


def _beginning(part: Segments, fetch: Fetch) -> bytes:
    if len(part.beginning) != 1:
        raise UnsupportedTrackError("a period without an initialization")
    span = part.beginning[0].get("byte_range") or {"start": 0, "end": HEAD}
    return fetch(part.beginning[0]["url"], span["start"], min(span["end"], span["start"] + HEAD))


def _later(part: Segments, ticks: int) -> Segments:
    def media(index: int, segment: Run) -> Fragment:
        return part.media(index, segment) | {"later": ticks}

    return replace(part, beginning=(), media=media)


def _of_file(track: Track, fetch: Fetch) -> Segments:
    """The segments of a file, as its own index tells them, that lie in the track's period: several may share a file."""
    found = mp4.index(fetch(track.base, 0, HEAD))
    begin = {"url": track.base, "byte_range": {"start": 0, "end": found.beginning}}
    runs, spans, time = list[Run](), list[Fragment](), found.begin
    for start, end, ticks in found.fragments:
        middle = (time + ticks / 2) / found.timescale - track.offset
        if 0 <= middle < (track.period.seconds or math.inf):
            runs.append(Run(len(runs), time, ticks, 1))
            spans.append({"url": track.base, "byte_range": {"start": start, "end": end}})
        time += ticks
    if not runs:
        raise UnsupportedTrackError("a period of which its file holds nothing")
    return Segments(track.base, (begin,), Timeline(runs, found.timescale), lambda index, _: dict(spans[index]))
