"""Replaces the reading of feeds in yt-dlp's GenericIE.

By itself, yt-dlp supports RSS but not Atom, follows the newest item's page if that has no enclosure, takes images for
media, and resolves no relative URLs. With the patch, the media of the entries are read by child/page/feeds.py.
"""

from typing import Any
from xml.etree.ElementTree import Element

from yt_dlp.extractor.generic import GenericIE

from vidferry_worker.child.page import feeds


def install() -> None:
    GenericIE._extract_rss = _extract_rss  # noqa: SLF001 - what is changed here is yt-dlp's own


def _extract_rss(self: Any, url: str, video_id: str, doc: Element) -> dict[str, Any]:  # noqa: ARG001 - yt-dlp's signature
    result: dict[str, Any] = self.playlist_result(
        find_entries(self._downloader, doc, url), url, feeds.find_feed_title(doc)
    )
    return result


def find_entries(downloader: Any, root: Element, url: str) -> list[dict[str, Any]]:
    """A feed's entries as yt-dlp results; an entry's own title, date and duration override those at its URL."""
    downloader.list_is_cut |= feeds.is_longer_than_read(root)
    return [
        {
            "_type": "url_transparent", "url": entry.url, "title": entry.title, "timestamp": entry.timestamp,
            "duration": entry.duration,
        }
        for entry in feeds.read_entries(root, url)
    ]  # fmt: skip
