"""The video that a page's JSON-LD describes (schema.org VideoObject, AudioObject): the first that names its file."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vidferry_worker.child.page.context import Page

MOST = 10_000
"""values that are looked at"""
_TYPE = re.compile(r"(?:https?://schema\.org/)?(?:Video|MusicVideo|Audio)Object")
_TEXTS = ("name", "description", "duration", "uploadDate", "encodingFormat", "keywords")


def find_video(page: Page, documents: Iterable[Any]) -> dict[str, Any] | None:
    """It as yt-dlp reads it: at the top, with one whole address as contentUrl. None where there is none.

    It may stand anywhere: in @graph, in a list, as the video of an article or the main entity of a page.
    """
    for node in _nodes(documents):
        kinds = [each for each in _listed(node.get("@type")) if isinstance(each, str)]
        address = _address(page, node.get("contentUrl")) if any(map(_TYPE.fullmatch, kinds)) else None
        if address and address != page.address:  # some give the page itself
            return {
                **node,
                **{name: node[name] if isinstance(node.get(name), str) else None for name in _TEXTS},
                "@context": "https://schema.org",
                "@type": "AudioObject" if all("Audio" in each for each in kinds) else "VideoObject",
                "contentUrl": address,
                "thumbnailUrl": [each for each in map(page.join, _texts(node.get("thumbnailUrl"))) if each],
                "hasPart": [],
            }
    return None


def _nodes(documents: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """All objects, the outer before the inner, in the page's order; without recursion, and not without end."""
    pending, seen = list(documents)[::-1], 0
    while pending and seen < MOST:
        node, seen = pending.pop(), seen + 1
        if isinstance(node, dict):
            yield node
            pending.extend(list(node.values())[::-1])
        elif isinstance(node, list):
            pending.extend(node[::-1])


def _address(page: Page, value: Any) -> str | None:
    """The first whole address of a text, a list, or an object with an @id or url."""
    for each in _listed(value):
        text = each.get("url") or each.get("@id") if isinstance(each, dict) else each
        address = page.join(text) if isinstance(text, str) else None
        if address:
            return address
    return None


def _texts(value: Any) -> list[str]:
    return [each for each in _listed(value) if isinstance(each, str)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
