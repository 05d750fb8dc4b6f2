"""Finds the links of a page that has no video of its own: to media files, or those of a list in JSON-LD."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from itertools import islice
from typing import Any

from yt_dlp.utils import clean_html

from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.json_ld import iterate_objects
from vidferry_worker.child.page.sources import MediaSource

MAX_LINKS = 5000
_LINK = re.compile(r"<a\s([^<>]{1,4000})>(?:((?:[^<]|<(?!/?a\b)){0,500})</a)?", re.IGNORECASE)
_HREF = re.compile(r"""(?:^|\s)href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link of a page."""

    url: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class PageLinks:
    """Links of a page, each once."""

    links: list[PageLink]
    is_cut: bool
    """whether the page has more than MAX_LINKS, so that not all were looked at"""


def find_media_links(page: Page, text: str) -> PageLinks:
    """The links to media files, each once: an index of a folder, a page of downloads."""
    found: dict[str, PageLink] = {}
    matches = _LINK.finditer(text)
    for match in islice(matches, MAX_LINKS):
        href = _HREF.search(match[1])
        url = page.resolve(unescape(href[1] or href[2] or href[3] or "")) if href else None
        if url and MediaSource(url).ending:
            found.setdefault(url, PageLink(url, clean_html(match[2] or "") or ""))
    return PageLinks(list(found.values()), next(matches, None) is not None)


def find_listed_pages(page: Page, documents: Iterable[Any]) -> PageLinks:
    """The pages that an ItemList of JSON-LD names (schema.org), each once."""
    found: dict[str, PageLink] = {}
    items = _iterate_items(documents)
    for item in islice(items, MAX_LINKS):
        inner = item.get("item")
        named = [item, inner] if isinstance(inner, dict) else [item, {"url": inner}]
        urls = (page.resolve(value) for each in named for value in (each.get("url"), each.get("@id")))
        url = next((each for each in urls if each and each != page.url), None)
        names = [each["name"] for each in reversed(named) if isinstance(each.get("name"), str)]
        if url:
            found.setdefault(url, PageLink(url, next(iter(names), "")))
    return PageLinks(list(found.values()), next(items, None) is not None)


def _iterate_items(documents: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for node in iterate_objects(documents):
        items = node.get("itemListElement")
        if node.get("@type") == "ItemList" and isinstance(items, list):
            yield from (each if isinstance(each, dict) else {"url": each} for each in items)
