"""Extracts a URL up to its video or list: nothing of a list's entries, no formats."""

from collections.abc import Iterator, Mapping
from typing import Any

from yt_dlp.utils import PagedList

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.lists.listed_video import find_url, is_reference

MAX_STEPS = 10
"""URLs that lead from one to the next"""


def extract_unprocessed(ydl: Any, url: str, extractor: str | None = None) -> dict[str, Any]:
    """What an extractor returns for a URL, or for the last one that this leads to. Raises as extract_info does."""
    for _ in range(MAX_STEPS):
        found = ydl.extract_info(url, download=False, process=False, ie_key=extractor)
        if not isinstance(found, dict):
            break
        if not is_reference(found):
            return found
        url, extractor = found["url"], found.get("ie_key")
    raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "no video and no list was extracted")


def is_list(found: Mapping[str, Any]) -> bool:
    return found.get("entries") is not None


def is_of_page(entry: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether an entry was extracted with its page. Those of the generic extractor come from playlist files."""
    return not is_reference(entry) and not is_list(entry) and found.get("extractor_key") != "Generic"


def iterate_entries(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The entries of a list as they are found: a long one is read page by page. What is unavailable is left out."""
    entries = found.get("entries")
    if isinstance(entries, PagedList):
        entries = entries._getslice(0, None)  # noqa: SLF001 - yt-dlp's public way reads all pages first
    return (entry for entry in entries or () if isinstance(entry, dict))


def leads_to_list(ydl: Any, entry: Mapping[str, Any], maker: str, page: str) -> bool:
    """Whether an entry is a list by its extractor: one for lists only, or the one that has made this list (maker).

    The generic extractor says nothing of what a URL leads to.
    """
    key = entry.get("ie_key")
    if not is_reference(entry) or not isinstance(key, str) or key == "Generic":
        return False
    try:
        extractor = ydl.get_info_extractor(key)
    except KeyError:
        return False
    is_single = extractor.is_single_video(find_url(entry, page))
    return is_single is False or (is_single is None and key == maker)
