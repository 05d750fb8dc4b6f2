"""Walks through a list flat and in its order: the videos of its lists stand in their lists' places."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from yt_dlp.utils import DownloadError, ExtractorError

from vidferry_worker.child.lists.extractors import (
    extract_unprocessed,
    is_list,
    is_of_page,
    iterate_entries,
    leads_to_list,
)
from vidferry_worker.child.lists.listed_video import ListedVideo, find_url, read_video
from vidferry_worker.children.protocol import MAX_WALKED

MAX_NESTED = 20
"""lists within a list that are read: the tabs of a channel, the parts of a course"""
MAX_DEPTH = 3


class ListWalker:
    """Reads one list. Counts what it has read, so that a list that leads to lists ends."""

    def __init__(self, ydl: Any) -> None:
        self._ydl = ydl
        self._nested = 0
        self._visited: set[str] = set()
        self.is_cut = False
        """whether somebody has asked for more of a list than what is read of it"""

    def walk(self, found: dict[str, Any], url: str) -> Iterator[ListedVideo]:
        """The videos of a list, or of a page, whose first one is known by its URL. url is the one that led there."""
        for number, video in enumerate(self._walk(found, url, 0)):
            if number == MAX_WALKED:
                self.is_cut = True
                return
            yield video
        self.is_cut = self.is_cut or self._ydl.list_is_cut

    def _walk(self, found: dict[str, Any], url: str, depth: int) -> Iterator[ListedVideo]:
        page = str(found.get("webpage_url") or url)
        if not is_list(found):
            others, self._ydl.other_videos = self._ydl.other_videos, []
            yield from [replace(read_video(found, page), url=url), *others]
            return
        maker = str(found.get("extractor_key") or "")
        for number, entry in enumerate(iterate_entries(found)):
            if number == 0 and is_of_page(entry, found):  # what a download of the page takes
                yield replace(read_video(entry, page), url=url)
            elif is_list(entry):
                if depth < MAX_DEPTH:
                    yield from self._walk(entry, page, depth + 1)
                else:
                    self.is_cut = True
            elif leads_to_list(self._ydl, entry, maker, page):
                yield from self._walk_nested(entry, page, depth)
            else:
                yield read_video(entry, page)

    def _walk_nested(self, entry: dict[str, Any], page: str, depth: int) -> Iterator[ListedVideo]:
        """The videos of a list within a list, once; beyond the limits it stays one entry."""
        url = find_url(entry, page)
        if url in self._visited:
            return
        if depth >= MAX_DEPTH or self._nested >= MAX_NESTED:
            yield read_video(entry, page)
            return
        self._visited.add(url)
        self._nested += 1
        try:
            found = extract_unprocessed(self._ydl, url, entry.get("ie_key"))
        except (DownloadError, ExtractorError):  # one of several: whoever downloads it is told why
            yield read_video(entry, page)
            return
        yield from self._walk(found, url, depth + 1)
