"""Feeds: the media of their entries, in order.

yt-dlp by itself knows RSS alone: of Atom it says that the URL is unsupported. Where the newest item has no enclosure,
it goes to that item's page instead of to the next one's sound. It takes pictures for media, and joins no relative
address.
"""

from typing import Any
from xml.etree.ElementTree import Element

from yt_dlp.extractor.generic import GenericIE

from vidferry_worker.child.page import feeds


def install() -> None:
    GenericIE._extract_rss = _extract_rss  # noqa: SLF001 - what is changed here is yt-dlp's own


def _extract_rss(self: Any, url: str, video_id: str, doc: Element) -> dict[str, Any]:  # noqa: ARG001 - yt-dlp's signature
    result: dict[str, Any] = self.playlist_result(find_entries(doc, url), url, feeds.title_of(doc))
    return result


def find_entries(root: Element, address: str) -> list[dict[str, Any]]:
    """A feed's entries as results of yt-dlp, what they tell of themselves going before what is at their addresses."""
    return [
        {
            "_type": "url_transparent", "url": entry.address, "title": entry.title, "timestamp": entry.timestamp,
            "duration": entry.duration,
        }
        for entry in feeds.read(root, address)
    ]  # fmt: skip
