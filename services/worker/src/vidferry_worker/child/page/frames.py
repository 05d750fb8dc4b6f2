"""The pages within a page, in which its player may be: iframes, and what is said to be a player (twitter:player)."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.html_tags import FRAMES, find_metas, find_tags
from vidferry_worker.child.page.opengraph import find_embedded_pages
from vidferry_worker.child.page.sources import Source

MOST = 4
"""of a page that are looked into"""
DEPTH = 2
"""pages within pages"""
_ADDRESSES = ("src", "data-src", "data-lazy-src", "data-litespeed-src", "data")
_EMBED_URL = re.compile(r'"embedUrl"\s*:\s*("[^"\s]{1,2000}")')
"""of JSON-LD"""
_LIKELY = re.compile(r"player|embed|video|stream|watch|play|media", re.IGNORECASE)


def find_frames(page: Page, text: str) -> list[str]:
    """The addresses that may be asked, those first that sound like a player."""
    if page.depth >= DEPTH:
        return []
    told = [*_players(text), *find_embedded_pages(page, text)]
    for tag in find_tags(FRAMES, text):
        told += [tag.attributes[name] for name in _ADDRESSES if name in tag.attributes and not tag.is_commented]
    joined = (page.join(each) for each in told)
    found = dict.fromkeys(each for each in joined if each and each != page.address and _may_be_asked(page, each))
    return sorted(found, key=lambda address: not _LIKELY.search(address))[:MOST]


def _may_be_asked(page: Page, address: str) -> bool:
    """Whether it is on the page's own site, or media by its ending: other sites' pages are for those who know them."""
    return page.is_same_site(address) or bool(Source(address).ending)


def _players(text: str) -> Iterator[str]:
    """What a page's metadata call its player."""
    yield from (content for name, content, _ in find_metas(text) if name in {"twitter:player", "embedurl"})
    for found in _EMBED_URL.findall(text):
        with suppress(ValueError):
            yield json.loads(found)
