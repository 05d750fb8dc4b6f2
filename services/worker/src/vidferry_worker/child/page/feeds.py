"""Feeds: RSS of all versions, Media RSS and Atom (RFC 4287), as the media that their entries bring along.

An entry's media is its enclosure, else its media:content; pictures and pages are none.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from urllib.parse import urlsplit

from yt_dlp.utils import KNOWN_EXTENSIONS, clean_html, parse_duration, unified_timestamp

from vidferry_common.contract import thumbnails
from vidferry_worker.child.page.document import join
from vidferry_worker.child.page_limits import check_xml

MOST = 5000
"""entries"""
_ROOT = re.compile(r"<(?:[A-Za-z][\w.-]*:)?(rss|feed|RDF)[\s>]")
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_NO_MEDIA = ("image/", "text/", "application/pdf", "application/epub")
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d+|#x[0-9A-Fa-f]+|amp|lt|gt|quot|apos);)")


@dataclass(frozen=True, slots=True)
class Entry:
    address: str
    is_media: bool
    """else it is a page"""
    title: str | None = None
    timestamp: int | None = None
    duration: float | None = None


def parse(text: str) -> ET.Element | None:
    """The root of a feed; None of what is none. White space before it, and & that mean themselves, are forgiven."""
    text = text.lstrip("\ufeff \t\r\n")
    if not _ROOT.search(text[:4000]):
        return None
    check_xml(text)
    for candidate in (text, _BARE_AMPERSAND.sub("&amp;", text)):
        try:
            root = ET.fromstring(re.sub(r"^<\?xml[^>]{0,200}\?>", "", candidate))  # noqa: S314 - expat bounds what entities grow to
        except ET.ParseError:
            continue
        return root if _name(root) in {"rss", "feed", "RDF"} else None
    return None


def read(root: ET.Element, address: str) -> list[Entry]:
    """Its entries that have media, in the feed's order; where none has, those that lead to a page."""
    base = join(address, root.get(_XML_BASE)) or address
    items = [each for each in root.iter() if _name(each) in {"item", "entry"}][:MOST]
    entries = [entry for item in items if (entry := _read_entry(item, base))]
    return [entry for entry in entries if entry.is_media] or entries


def title_of(root: ET.Element) -> str | None:
    channel = next((each for each in root if _name(each) == "channel"), root)
    return _text(channel, "title")


def _read_entry(item: ET.Element, base: str) -> Entry | None:
    base = join(base, item.get(_XML_BASE)) or base
    media = _find_media(item, base)
    found = media or _find_page(item, base)
    if found is None:
        return None
    stamp = _text(item, "pubDate") or _text(item, "published") or _text(item, "updated") or _text(item, "date")
    return Entry(
        found,
        media is not None,
        _text(item, "title"),
        unified_timestamp(stamp),
        parse_duration(_text(item, "duration")),
    )


def _find_media(item: ET.Element, base: str) -> str | None:
    """The enclosure that is a video or sound, or isn't told to be anything else."""
    for names in ({"enclosure", "link"}, {"content"}):
        for each in item.iter():
            if _name(each) not in names or (_name(each) == "link" and each.get("rel") != "enclosure"):
                continue
            address = join(base, _address(each))
            if address and _may_be_media(each, address, certain="content" not in names):
                return address
    return None


def _may_be_media(element: ET.Element, address: str, *, certain: bool) -> bool:
    kind, medium = (element.get("type") or "").lower(), element.get("medium")
    if kind.startswith(("audio/", "video/")) or medium in {"audio", "video"}:
        return True
    if kind.startswith(_NO_MEDIA) or medium:
        return False
    ending = urlsplit(address).path.rpartition(".")[2].lower()
    return ending in KNOWN_EXTENSIONS or (certain and ending not in thumbnails.EXTENSIONS | {"pdf", "html"})


def _find_page(item: ET.Element, base: str) -> str | None:
    for each in item:
        if _name(each) == "link" and each.get("rel", "alternate") == "alternate":
            address = join(base, each.get("href") or each.text)
            if address:
                return address
    return None


def _address(element: ET.Element) -> str | None:
    """As RSS, Atom and RSS 1.0 each name it."""
    names = ("url", "href", "src", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource")
    return next((element.get(name) for name in names if element.get(name)), None)


def _text(element: ET.Element, name: str) -> str | None:
    """The text of the first child of that name in any namespace that has one, without markup."""
    texts = ("".join(each.itertext()) for each in element if _name(each) == name)
    return next((cleaned for text in texts if (cleaned := clean_html(text[:2000]))), None)


def _name(element: ET.Element) -> str:
    """Without its namespace."""
    return str(element.tag).rpartition("}")[2]
