"""Tracks that go on from period to period, put together where one file can hold them; else said to be unfit.

A track of one period alone is never the whole: who takes it would have a part of the video for all of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from vidferry_worker.child.dash.manifest import Track
from vidferry_worker.child.dash.segments import Fragments, Segments

Format = dict[str, Any]
"""yt-dlp's, with its Track as `dash_track`"""

SAME = ("ext", "container", "vcodec", "acodec", "width", "height", "asr", "language", "dynamic_range", "format_note")
"""what two periods' tracks have to share before they can be one"""
ALIKE = 50
"""tracks of the same looks that are compared"""
MP4 = frozenset({"mp4_dash", "m4a_dash"})
"""yt-dlp's containers whose clocks and beginnings can be looked at (periods.py)"""
TOLERANCE = 0.25
"""seconds that the media's clock may jump between two periods"""


def join(periods: Iterable[Mapping[str, Any]]) -> list[Format]:
    """The formats of a whole presentation, from those of each period. One with `unfit`, a reason, can't be had."""
    filled = [period["formats"] for period in periods if period["formats"]]
    rows: list[list[Format]] = []
    for number, formats in enumerate(filled):
        rows = _continued(rows, list(formats), number)
    joined = [_joined(row, len(filled)) for row in rows]
    return [each for each in joined if not each.get("unfit") or not _has_better(each, joined)]


def _continued(rows: list[list[Format]], formats: list[Format], number: int) -> list[list[Format]]:
    """The rows with the next period's formats; each goes on with the one that is most like it."""
    waiting: dict[tuple[Any, ...], list[Format]] = {}
    for each in formats:
        waiting.setdefault(_key(each), []).append(each)
    for row in rows:
        like = waiting.get(_key(row[-1]), [])
        if len(row) == number and like:
            last = row[-1]
            row.append(like.pop(min(range(min(len(like), ALIKE)), key=lambda place: _difference(last, like[place]))))
    return rows + [[each] for like in waiting.values() for each in like]


def _key(each: Format) -> tuple[Any, ...]:
    return tuple(each.get(field) for field in SAME)


def _difference(one: Format, other: Format) -> tuple[bool, float]:
    return one["format_id"] != other["format_id"], abs((one.get("tbr") or 0) - (other.get("tbr") or 0))


def _joined(row: list[Format], periods: int) -> Format:
    first, tracks = row[0], [each["dash_track"] for each in row]
    problem = next((track.problem for track in tracks if track.problem), "")
    if len(row) < periods:
        problem = problem or f"it is there in {len(row)} of {periods} periods"
    whole = {key: value for key, value in first.items() if key != "dash_track"}
    if any(each.get("has_drm") for each in row):
        whole["has_drm"] = True
    if not problem and len(row) > 1:
        whole |= _concatenated(first, tracks)
        problem = whole.get("unfit", "")
    return whole | {"unfit": problem, "preference": -100} if problem else whole


def _concatenated(first: Format, tracks: Sequence[Track]) -> Format:
    """What all periods' segments are in one file: what is to be looked at before that, or why they can't be."""
    whole = {
        "url": first.get("manifest_url") or first["url"],
        "protocol": first["protocol"] if first.get("ext") == "mhtml" else "http_dash_segments",
        "announced_seconds": sum(track.period.seconds or 0 for track in tracks),
        "is_dash_periods": True,
    }
    parts = [track.segments.absolute() for track in tracks if track.segments is not None]
    if len(parts) == len(tracks) and all(_continues(*each) for each in pairwise(parts)):
        return whole | {"fragments": Fragments([parts[0], *(replace(part, beginning=()) for part in parts[1:])])}
    if first.get("container") in MP4:
        return whole | {"fragments": Fragments(parts), "dash_tracks": tracks}
    return {"unfit": "each period has a beginning of its own"}


def _continues(part: Segments, following: Segments) -> bool:
    """Whether a decoder that has begun with the one can go on with the other."""
    return part.beginning == following.beginning and abs(part.timeline.end - following.timeline.begin) <= TOLERANCE


def _has_better(unfit: Format, formats: Iterable[Format]) -> bool:
    """Whether another format can be had that holds what this one would: a picture, sound or both."""
    return any(not each.get("unfit") and _holds(each) >= _holds(unfit) for each in formats)


def _holds(each: Format) -> set[str]:
    return {codec for codec in ("vcodec", "acodec") if each.get(codec) != "none"}
