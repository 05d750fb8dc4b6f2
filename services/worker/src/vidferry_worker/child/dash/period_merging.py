"""Tracks that go on from period to period, put together where one file can hold them; else said to be unfit.

A track of one period alone is never the whole: who takes it would have a part of the video for all of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.child.dash.manifest import Track
from vidferry_worker.child.dash.segments import Fragments, Segments

Format = dict[str, Any]
"""yt-dlp's, with its Track as `dash_track`"""

SAME = ("ext", "container", "vcodec", "acodec", "width", "height", "asr", "language", "dynamic_range", "format_note")
"""what two periods' tracks have to share before they can be one"""
ALIKE = 50
"""tracks of the same looks that are compared"""
MP4 = frozenset({"mp4_dash", "m4a_dash"})
"""yt-dlp's containers whose clocks and beginnings can be looked at (period_joining.py)"""
TOLERANCE = 0.25
"""seconds that the media's clock may jump between two periods"""


def join(periods: Iterable[Mapping[str, Any]]) -> list[Format]:
    """The formats of a whole presentation, from those of each period. One with `unfit`, a reason, can't be had."""
    filled = [list(period["formats"]) for period in periods if period["formats"]]
    rows, left = _rows(filled)
    joined = [_joined(row) for row in rows]
    parts = [_unfit(each, "it is not there in all periods") for each in left]
    return without_unfit([*joined, *parts])


def without_unfit(formats: Sequence[Format]) -> list[Format]:
    """Formats without the unfit ones whose picture and sound others have, which can be had."""
    clear = [each for each in formats if not each.get("unfit") and not each.get("has_drm")]
    held = set[str]().union(*map(_holds, clear))
    return [each for each in formats if not each.get("unfit") or not _holds(each) <= held]


def _rows(filled: Sequence[list[Format]]) -> tuple[list[list[Format]], list[Format]]:
    """What goes on from the first period to the last, and the rest."""
    rows, left = [[each] for each in (filled[0] if filled else [])], list[Format]()
    for formats in filled[1:]:
        waiting: dict[tuple[Any, ...], list[Format]] = {}
        for each in formats:
            waiting.setdefault(_key(each), []).append(each)
        going, rows = rows, []
        for row in going:
            following = _take(waiting.get(_key(row[0]), []), row[-1])
            if following is None:
                left.append(row[0])
            else:
                row.append(following)
                rows.append(row)
        left += chain.from_iterable(waiting.values())
    return rows, left


def _take(like: list[Format], last: Format) -> Format | None:
    """Takes the one that is most like the last out of those that look like it."""
    places = range(min(len(like), ALIKE))
    return like.pop(min(places, key=lambda place: _difference(last, like[place]))) if like else None


def _key(each: Format) -> tuple[Any, ...]:
    return tuple(each.get(field) for field in SAME)


def _difference(one: Format, other: Format) -> tuple[bool, float]:
    return one["format_id"] != other["format_id"], abs((one.get("tbr") or 0) - (other.get("tbr") or 0))


def _joined(row: list[Format]) -> Format:
    first, tracks = row[0], [each["dash_track"] for each in row]
    problem = next((track.problem for track in tracks if track.problem), "")
    if problem:
        return _unfit(first, problem)
    whole = {key: value for key, value in first.items() if key != "dash_track"}
    if any(each.get("has_drm") for each in row):
        whole["has_drm"] = True
    try:
        return whole | _concatenated(first, tracks) if len(row) > 1 else whole
    except UnsupportedTrackError as error:
        return _unfit(first, str(error))


def _unfit(each: Format, reason: str) -> Format:
    """A format that stays, behind others, so that nothing less is taken for it unheard."""
    return {key: value for key, value in each.items() if key != "dash_track"} | {"unfit": reason, "preference": -100}


def _concatenated(first: Format, tracks: Sequence[Track]) -> Format:
    """What all periods' segments are in one file, or what is to be looked at before that is known.

    UnsupportedTrackError where they can't be in one.
    """
    whole = {
        "url": first.get("manifest_url") or first["url"],
        "protocol": first.get("protocol") if first.get("ext") == "mhtml" else "http_dash_segments",
        "announced_seconds": sum(track.period.seconds or 0 for track in tracks),
        "is_dash_periods": True,
    }
    parts = [track.segments.absolute() for track in tracks if track.segments is not None]
    if len(parts) == len(tracks) and all(_continues(*each) for each in pairwise(parts)):
        return whole | {"fragments": Fragments([parts[0], *(replace(part, beginning=()) for part in parts[1:])])}
    if first.get("container") in MP4:
        return whole | {"fragments": Fragments(parts), "dash_tracks": tracks}
    raise UnsupportedTrackError("each period has a beginning of its own")


def _continues(part: Segments, following: Segments) -> bool:
    """Whether a decoder that has begun with the one can go on with the other."""
    return part.beginning == following.beginning and abs(part.timeline.end - following.timeline.begin) <= TOLERANCE


def _holds(each: Format) -> frozenset[str]:
    """Picture, sound or both, as far as they are told."""
    return frozenset(codec for codec in ("vcodec", "acodec") if each.get(codec) != "none")
