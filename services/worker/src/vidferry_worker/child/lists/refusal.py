"""Decides what a download makes of a list: it takes one video, and a list of videos is for a batch."""

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

from yt_dlp.utils import LazyList

from vidferry_common.contract.errors import MAX_COUNTED, ErrorCode, JobFailure
from vidferry_worker.child.lists.extractors import is_list, is_of_page, iterate_entries, leads_to_list
from vidferry_worker.child.lists.listed_video import ListedVideo, read_video
from vidferry_worker.child.lists.selection import Selection

COUNTING_SECONDS = 3.0
"""after which no further page of a list is read to count its entries"""


def reduce_to_video(ydl: Any, found: dict[str, Any]) -> list[ListedVideo]:
    """Leaves one video in a list, if it has no other. Raises JobFailure for a list of several.

    Several videos that were extracted with their page, as those of a post, are no list: the first one stays, and the
    others are returned.
    """
    page, is_whole = str(found.get("webpage_url") or ""), isinstance(found.get("entries"), list)
    found["entries"] = entries = LazyList(iterate_entries(found))
    first, second = (*entries[:2], None, None)[:2]
    if first is None:
        return []
    if second is None or is_of_page(first, found):
        found["entries"] = [first]
        return [read_video(each, page) for each in islice(entries, 1, MAX_COUNTED + 1)] if second else []
    told = found.get("playlist_count")
    if not is_whole and isinstance(told, int) and told > 1:
        raise _refusal(min(told, MAX_COUNTED + 1))
    count = _count_videos(ydl, entries, str(found.get("extractor_key")), page)
    if count == 1:
        found["entries"] = [first]
        return []
    raise _refusal(count)


def _count_videos(ydl: Any, entries: Iterable[dict[str, Any]], maker: str, page: str) -> int | None:
    """How many different videos a list has, at most one more than MAX_COUNTED.

    None where that would take too long: where it has lists within it, or too many pages.
    """
    until = time.monotonic() + COUNTING_SECONDS
    videos: list[ListedVideo] = []
    for entry in islice(entries, MAX_COUNTED + 1):
        if is_list(entry) or leads_to_list(ydl, entry, maker, page) or time.monotonic() > until:
            return None
        videos.append(read_video(entry, page))
    return sum(1 for _ in Selection(most=len(videos)).select(videos))


def _refusal(count: int | None) -> JobFailure:
    return JobFailure(ErrorCode.PLAYLIST, f"a list of {count or 'several'} videos", entries=count)
