"""Finds the embedded pages that may have a page's player: frames, and players in metadata (twitter:player)."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.html_tags import FRAME_ELEMENTS, find_metas, find_tags
from vidferry_worker.child.page.opengraph import find_embedded_pages
from vidferry_worker.child.page.sources import MediaSource

MAX_FRAMES = 4
"""embedded pages that are read, for each page"""
MAX_DEPTH = 2
"""levels of embedded pages"""
_URL_ATTRIBUTES = ("src", "data-src", "data-lazy-src", "data-litespeed-src", "data")
_EMBED_URL = re.compile(r'"embedUrl"\s*:\s*("[^"\s]{1,2000}")')
"""in JSON-LD"""
_LIKELY = re.compile(r"player|embed|video|stream|watch|play|media", re.IGNORECASE)


def find_frames(page: Page, text: str) -> list[str]:
    """The URLs of embedded pages that may be requested; those that look like a player come first."""
    if page.depth >= MAX_DEPTH:
        return []
    references = [*_find_player_urls(text), *find_embedded_pages(page, text)]
    for tag in find_tags(FRAME_ELEMENTS, text):
        references += [
            tag.attributes[name] for name in _URL_ATTRIBUTES if name in tag.attributes and not tag.is_commented
        ]
    joined = (page.resolve(each) for each in references)
    found = dict.fromkeys(each for each in joined if each and each != page.url and _may_be_asked(page, each))
    return sorted(found, key=lambda url: not _LIKELY.search(url))[:MAX_FRAMES]


def is_alike(one: str, other: str) -> bool:
    """Whether two different pages are of one kind: URLs that differ in the query or in the last part of the path."""
    first, second = (urlsplit(each) for each in (one, other))
    folders = [each.path.rpartition("/")[0] for each in (first, second)]
    return one != other and first.netloc == second.netloc and folders[0] == folders[1]


def _may_be_asked(page: Page, url: str) -> bool:
    """Whether a URL is on the page's own site, or of a media file. For other sites there are yt-dlp's extractors."""
    return page.is_same_site(url) or bool(MediaSource(url).ending)


def _find_player_urls(text: str) -> Iterator[str]:
    """The URLs that a page's metadata name as its player."""
    yield from (content for name, content, _ in find_metas(text) if name in {"twitter:player", "embedurl"})
    for found in _EMBED_URL.findall(text):
        with suppress(ValueError):
            yield json.loads(found)
