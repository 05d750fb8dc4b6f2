"""Tells in which formats a video is there, where it lacks the one that was asked for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vidferry_worker.child.format_selection import short_side
from vidferry_worker.children.protocol import MAX_CONTAINER, MAX_OFFERED, MAX_PIXELS, Failed

_ENDING = re.compile(rf"[a-z0-9]{{1,{MAX_CONTAINER}}}")
_NO_CONTAINERS = {"none", "unknown", "mhtml"}


def add_offered_formats(failed: Failed, formats: Sequence[Mapping[str, Any]]) -> None:
    """Adds the sizes and the containers of a video's formats to the event of its failure."""
    media = [each for each in formats if {each.get("vcodec"), each.get("acodec")} != {"none"}]
    sizes = [round(size) for each in media if each.get("vcodec") != "none" and (size := short_side(each))]
    failed.lines = sorted({size for size in sizes if 0 < size <= MAX_PIXELS}, reverse=True)[:MAX_OFFERED]
    failed.containers = sorted(set(_find_containers(media)))[:MAX_OFFERED]
    failed.has_audio = any(each.get("vcodec") == "none" for each in media)


def _find_containers(formats: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    endings = (str(each.get("ext")).lower() for each in formats)
    return (ending for ending in endings if _ENDING.fullmatch(ending) and ending not in _NO_CONTAINERS)
