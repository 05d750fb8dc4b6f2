"""Merges the tracks of a manifest's periods into formats; a track that can't be merged is marked as unfit.

A track of only one of several periods is never offered as a format: it would be a part of the video.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

from vidferry_worker.child.dash.elements import UnsupportedTrackError
from vidferry_worker.child.dash.manifest import Track
from vidferry_worker.child.dash.segments import Fragments, Segments

Format = dict[str, Any]
"""yt-dlp's format, with its Track as `dash_track`"""

MERGE_FIELDS = (
    "ext",
    "container",
    "vcodec",
    "acodec",
    "width",
    "height",
    "asr",
    "language",
    "dynamic_range",
    "format_note",
)
"""keys whose values must be equal for the tracks of two periods to be merged"""
MAX_CANDIDATES = 50
"""tracks with equal keys that are compared"""
MP4_CONTAINERS = frozenset({"mp4_dash", "m4a_dash"})
"""yt-dlp's containers whose initialization segments can be compared and timestamps shifted (period_joining.py)"""
TOLERANCE = 0.25
"""seconds that the media timeline may jump between two periods"""


def merge_periods(periods: Iterable[Mapping[str, Any]]) -> list[Format]:
    """The formats of a presentation, from those of its periods. One that can't be fetched has the reason as `unfit`."""
    filled = [list(period["formats"]) for period in periods if period["formats"]]
    rows, left = _chain_tracks(filled)
    joined = [_merge_chain(row) for row in rows]
    parts = [_mark_unfit(each, "it is not there in all periods") for each in left]
    return without_unfit([*joined, *parts])


def without_unfit(formats: Sequence[Format]) -> list[Format]:
    """Leaves out unfit formats whose kinds of media other formats offer."""
    clear = [each for each in formats if not each.get("unfit") and not each.get("has_drm")]
    held = set[str]().union(*map(_kinds_of, clear))
    return [each for each in formats if not each.get("unfit") or not _kinds_of(each) <= held]


def _chain_tracks(filled: Sequence[list[Format]]) -> tuple[list[list[Format]], list[Format]]:
    """Chains of tracks that continue from the first period to the last, and the tracks that don't."""
    rows, left = [[each] for each in (filled[0] if filled else [])], list[Format]()
    for formats in filled[1:]:
        waiting: dict[tuple[Any, ...], list[Format]] = {}
        for each in formats:
            waiting.setdefault(_merge_key(each), []).append(each)
        going, rows = rows, []
        for row in going:
            following = _take_most_similar(waiting.get(_merge_key(row[0]), []), row[-1])
            if following is None:
                left.append(row[0])
            else:
                row.append(following)
                rows.append(row)
        left += chain.from_iterable(waiting.values())
    return rows, left


def _take_most_similar(like: list[Format], last: Format) -> Format | None:
    """Removes and returns the candidate that is most similar to the last track."""
    places = range(min(len(like), MAX_CANDIDATES))
    return like.pop(min(places, key=lambda place: _dissimilarity(last, like[place]))) if like else None


def _merge_key(each: Format) -> tuple[Any, ...]:
    return tuple(each.get(field) for field in MERGE_FIELDS)


def _dissimilarity(one: Format, other: Format) -> tuple[bool, float]:
    return one["format_id"] != other["format_id"], abs((one.get("tbr") or 0) - (other.get("tbr") or 0))


def _merge_chain(row: list[Format]) -> Format:
    first, tracks = row[0], [each["dash_track"] for each in row]
    problem = next((track.problem for track in tracks if track.problem), "")
    if problem:
        return _mark_unfit(first, problem)
    whole = {key: value for key, value in first.items() if key != "dash_track"}
    if any(each.get("has_drm") for each in row):
        whole["has_drm"] = True
    try:
        return whole | _concatenate_segments(first, tracks) if len(row) > 1 else whole
    except UnsupportedTrackError as error:
        return _mark_unfit(first, str(error))


def _mark_unfit(each: Format, reason: str) -> Format:
    """Marks a format as unfit. It stays, ranked last, so that nothing less is silently taken instead."""
    return {key: value for key, value in each.items() if key != "dash_track"} | {"unfit": reason, "preference": -100}


def _concatenate_segments(first: Format, tracks: Sequence[Track]) -> Format:
    """The fields of a format with the segments of all periods.

    Where periods may differ, period_joining.py decides later, from the media; UnsupportedTrackError where it can't.
    """
    whole = {
        "url": first.get("manifest_url") or first["url"],
        "protocol": first.get("protocol") if first.get("ext") == "mhtml" else "http_dash_segments",
        "announced_seconds": sum(track.period.seconds or 0 for track in tracks),
        "is_dash_periods": True,
    }
    parts = [track.segments.with_absolute_urls() for track in tracks if track.segments is not None]
    if len(parts) == len(tracks) and all(_is_continuous(*each) for each in pairwise(parts)):
        return whole | {"fragments": Fragments([parts[0], *(replace(part, initialization=()) for part in parts[1:])])}
    if first.get("container") in MP4_CONTAINERS:
        return whole | {"fragments": Fragments(parts), "dash_tracks": tracks}
    raise UnsupportedTrackError("each period has a beginning of its own")


def _is_continuous(part: Segments, following: Segments) -> bool:
    """Whether a decoder that has started with one period can continue with the next."""
    return (
        part.initialization == following.initialization
        and abs(part.timeline.end - following.timeline.start) <= TOLERANCE
    )


def _kinds_of(each: Format) -> frozenset[str]:
    """Which kinds of media a format has, by yt-dlp's `vcodec` and `acodec`; both where unknown."""
    return frozenset(codec for codec in ("vcodec", "acodec") if each.get(codec) != "none")
