"""Finds the extractors of a site that name its videos by ids."""

from collections import defaultdict
from collections.abc import Collection
from functools import cache
from typing import Any

from yt_dlp.extractor import gen_extractor_classes

from vidferry_worker.child.identity import EXTRACTORS_WITH_PARTIAL_IDS, EXTRACTORS_WITHOUT_IDS


def extractors_of_same_site(extractor: Any) -> Collection[str]:
    """Keys of the extractors for the same site whose ids are unique there."""
    return keys_by_module()[_extractor_module(extractor)]


@cache
def keys_by_module() -> dict[str, set[str]]:
    """Keys of extractors with unique ids, by module."""
    keys: dict[str, set[str]] = defaultdict(set)
    for each in gen_extractor_classes():
        if each.ie_key() not in EXTRACTORS_WITHOUT_IDS | EXTRACTORS_WITH_PARTIAL_IDS:
            keys[_extractor_module(each)].add(each.ie_key())
    return keys


def _extractor_module(extractor: Any) -> str:
    """yt-dlp's module of an extractor, which has all extractors of one site."""
    name = getattr(extractor, "_module", None) or extractor.__module__
    return ".".join(name.split(".")[:3])
