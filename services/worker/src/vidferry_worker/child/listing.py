"""One listing in a child: reads a list flat, and reports its entries as they are found."""

import json
from itertools import islice
from typing import Any

from vidferry_common.contract.batches import parse_items
from vidferry_worker.child import preload
from vidferry_worker.child.channel import Channel
from vidferry_worker.child.event_logger import EventLogger
from vidferry_worker.child.lists.extractors import extract_unprocessed
from vidferry_worker.child.lists.listed_video import ListedVideo
from vidferry_worker.child.lists.selection import Selection
from vidferry_worker.child.lists.walk import ListWalker
from vidferry_worker.child.patches import smuggled_data
from vidferry_worker.children.protocol import MAX_LISTED_AT_ONCE, MAX_TITLE, ListedEntry, LookOrder, VideosListed

MAX_PAGE_BYTES = 40_000
"""of the entries in one message"""


class Listing:
    """One listing in a child: from the order to the last event."""

    def __init__(self, channel: Channel, order: LookOrder) -> None:
        self._channel, self._order = channel, order
        self._ydl = preload.loaded_downloader()
        self._title = ""
        self._page: list[ListedEntry] = []
        self._bytes = 0

    def run(self) -> None:
        smuggled_data.renew_key()
        order, ydl = self._order, self._ydl
        ydl.params.update(noplaylist=False, logger=EventLogger(self._channel), extractor_args=_DATES)
        ydl.start_extraction(order.stall_seconds)
        found = extract_unprocessed(ydl, order.url)
        self._title = _clean(found.get("title"))
        places = parse_items(order.items) if order.items else ()
        walker = ListWalker(ydl)
        videos = Selection(places, order.most, order.newest_first).select(walker.walk(found, order.url))
        for video in islice(videos, 1):
            self._add(video)
        self._send()  # the first one at once: its job can begin
        for video in videos:
            self._add(video)
        self._send(done=True, is_cut=walker.is_cut)

    def _add(self, video: ListedVideo) -> None:
        entry = ListedEntry(video.url, video.title, video.duration)
        size = len(json.dumps([entry.url, entry.title]))
        if len(self._page) == MAX_LISTED_AT_ONCE or self._bytes + size > MAX_PAGE_BYTES:
            self._send()
        self._page.append(entry)
        self._bytes += size

    def _send(self, *, done: bool = False, is_cut: bool = False) -> None:
        self._channel.send_event(VideosListed(self._page, self._title, done, is_cut))
        self._page, self._bytes = [], 0


_DATES = {"youtubetab": {"approximate_date": [""]}}
"""yt-dlp's option for dates of the entries, which YouTube tells as `2 years ago`"""


def _clean(title: Any) -> str:
    return " ".join(title.split())[:MAX_TITLE] if isinstance(title, str) else ""
