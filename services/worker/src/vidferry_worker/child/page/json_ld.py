"""Finds the videos in a page's JSON-LD: each VideoObject or AudioObject (schema.org) with the URL of a file."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vidferry_worker.child.page.context import Page

MAX_VALUES = 10_000
"""JSON values that are visited"""
_TYPE = re.compile(r"(?:https?://schema\.org/)?(?:Video|MusicVideo|Audio)Object")
_TEXTS = ("name", "description", "duration", "uploadDate", "encodingFormat", "keywords")


def find_videos(page: Page, documents: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """The videos in the form that yt-dlp reads: each a top-level object with one absolute contentUrl.

    They may be anywhere: in @graph, in a list, as the video of an article or the main entity of a page.
    """
    for node in iterate_objects(documents):
        kinds = [each for each in _as_list(node.get("@type")) if isinstance(each, str)]
        url = _find_url(page, node.get("contentUrl")) if any(map(_TYPE.fullmatch, kinds)) else None
        if url and url != page.url:  # some give the page itself
            yield {
                **node,
                **{name: node[name] if isinstance(node.get(name), str) else None for name in _TEXTS},
                "@context": "https://schema.org",
                "@type": "AudioObject" if all("Audio" in each for each in kinds) else "VideoObject",
                "contentUrl": url,
                "thumbnailUrl": [each for each in map(page.resolve, _only_texts(node.get("thumbnailUrl"))) if each],
                "hasPart": [],
            }


def iterate_objects(documents: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """All objects, outer before inner, in the page's order; without recursion, and a limited number."""
    pending, seen = list(documents)[::-1], 0
    while pending and seen < MAX_VALUES:
        node, seen = pending.pop(), seen + 1
        if isinstance(node, dict):
            yield node
            pending.extend(list(node.values())[::-1])
        elif isinstance(node, list):
            pending.extend(node[::-1])


def _find_url(page: Page, value: Any) -> str | None:
    """The first absolute URL in a string, a list, or an object with an @id or url."""
    for each in _as_list(value):
        text = each.get("url") or each.get("@id") if isinstance(each, dict) else each
        url = page.resolve(text) if isinstance(text, str) else None
        if url:
            return url
    return None


def _only_texts(value: Any) -> list[str]:
    return [each for each in _as_list(value) if isinstance(each, str)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
