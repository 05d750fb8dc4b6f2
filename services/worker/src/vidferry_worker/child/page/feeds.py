"""Reads the media entries of feeds: all versions of RSS, Media RSS and Atom (RFC 4287).

An entry's media is its enclosure, else its media:content; images and pages don't count.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from yt_dlp.utils import KNOWN_EXTENSIONS, clean_html, parse_duration, unified_timestamp

from vidferry_common.contract import thumbnails
from vidferry_worker.child.page.context import join_url
from vidferry_worker.child.page_limits import check_xml
from vidferry_worker.children.protocol import MAX_WALKED

MAX_ENTRIES = MAX_WALKED + 1
"""entries: one more than is read of a list, which tells that there are more"""
_ROOT = re.compile(r"<(?:[A-Za-z][\w.-]*:)?(rss|feed|RDF)[\s>]")
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_NO_MEDIA = ("image/", "text/", "application/pdf", "application/epub")
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d+|#x[0-9A-Fa-f]+|amp|lt|gt|quot|apos);)")


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An entry of a feed."""

    url: str
    is_media: bool
    """whether the URL is one of media, and not of a page"""
    title: str | None = None
    timestamp: int | None = None
    duration: float | None = None


def parse_feed(text: str) -> ET.Element | None:
    """The root element of a feed, None for other text. Leading whitespace and unescaped & are accepted."""
    text = text.lstrip("\ufeff \t\r\n")
    if not _ROOT.search(text[:4000]):
        return None
    check_xml(text)
    for candidate in (text, _BARE_AMPERSAND.sub("&amp;", text)):
        try:
            root = ET.fromstring(re.sub(r"^<\?xml[^>]{0,200}\?>", "", candidate))  # noqa: S314 - expat bounds what entities grow to
        except ET.ParseError:
            continue
        return root if _local_name(root) in {"rss", "feed", "RDF"} else None
    return None


def read_entries(root: ET.Element, url: str) -> list[FeedEntry]:
    """The entries with media, in the feed's order; where none has media, those with a page."""
    base = join_url(url, root.get(_XML_BASE)) or url
    entries = [entry for item in islice(_iterate_items(root), MAX_ENTRIES) if (entry := _read_entry(item, base))]
    return [entry for entry in entries if entry.is_media] or entries


def is_longer_than_read(root: ET.Element) -> bool:
    """Whether the feed goes on after the entries that are read, some of which may have no media."""
    return any(True for _ in islice(_iterate_items(root), MAX_ENTRIES, None))


def _iterate_items(root: ET.Element) -> Iterator[ET.Element]:
    return (each for each in root.iter() if _local_name(each) in {"item", "entry"})


def find_feed_title(root: ET.Element) -> str | None:
    channel = next((each for each in root if _local_name(each) == "channel"), root)
    return _child_text(channel, "title")


def _read_entry(item: ET.Element, base: str) -> FeedEntry | None:
    base = join_url(base, item.get(_XML_BASE)) or base
    media = _find_media(item, base)
    found = media or _find_page(item, base)
    if found is None:
        return None
    stamp = (
        _child_text(item, "pubDate")
        or _child_text(item, "published")
        or _child_text(item, "updated")
        or _child_text(item, "date")
    )
    return FeedEntry(
        found,
        media is not None,
        _child_text(item, "title"),
        unified_timestamp(stamp),
        parse_duration(_child_text(item, "duration")),
    )


def _find_media(item: ET.Element, base: str) -> str | None:
    """The URL of the enclosure that is video or audio, or of unknown type."""
    for names in ({"enclosure", "link"}, {"content"}):
        for each in item.iter():
            if _local_name(each) not in names or (_local_name(each) == "link" and each.get("rel") != "enclosure"):
                continue
            url = join_url(base, _find_url(each))
            if url and _may_be_media(each, url, certain="content" not in names):
                return url
    return None


def _may_be_media(element: ET.Element, url: str, *, certain: bool) -> bool:
    kind, medium = (element.get("type") or "").lower(), element.get("medium")
    if kind.startswith(("audio/", "video/")) or medium in {"audio", "video"}:
        return True
    if kind.startswith(_NO_MEDIA) or medium:
        return False
    ending = urlsplit(url).path.rpartition(".")[2].lower()
    return ending in KNOWN_EXTENSIONS or (certain and ending not in thumbnails.EXTENSIONS | {"pdf", "html"})


def _find_page(item: ET.Element, base: str) -> str | None:
    for each in item:
        if _local_name(each) == "link" and each.get("rel", "alternate") == "alternate":
            url = join_url(base, each.get("href") or each.text)
            if url:
                return url
    return None


def _find_url(element: ET.Element) -> str | None:
    """The URL of an element, by the attributes of RSS, Atom and RSS 1.0."""
    names = ("url", "href", "src", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource")
    return next((element.get(name) for name in names if element.get(name)), None)


def _child_text(element: ET.Element, name: str) -> str | None:
    """The text without markup of the first child with that name, in any namespace, that has text."""
    texts = ("".join(each.itertext()) for each in element if _local_name(each) == name)
    return next((cleaned for text in texts if (cleaned := clean_html(text[:2000]))), None)


def _local_name(element: ET.Element) -> str:
    """The element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]
