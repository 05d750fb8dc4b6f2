"""Describes a list to the worker: a playlist, a channel, a feed, or a page with several players."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import urljoin

from yt_dlp.utils import PlaylistEntries, unsmuggle_url

from vidferry_common.contract.probes import MAX_ENTRIES, ListEntry, Probe
from vidferry_worker.child import probe_fields
from vidferry_worker.children.protocol import MAX_LISTED, MAX_TITLE, number_or_none


def describe_list(ydl: Any, found: dict[str, Any], url: str) -> Probe:
    """The probe of a list that an extractor has found; url is the one that the caller sent."""
    entries = list(islice(iterate_entries(ydl, found, url), MAX_ENTRIES + 1))
    return probe_fields.shorten(
        Probe(
            title=probe_fields.text(found.get("title"), MAX_TITLE),
            uploader=probe_fields.text(found.get("uploader") or found.get("channel")),
            upload_date=None,
            duration=None,
            live=False,
            age_limit=None,
            thumbnail=probe_fields.url(found.get("thumbnail")),
            formats=[],
            subtitles=[],
            chapters=[],
            entries=entries[:MAX_ENTRIES],
            entry_count=_count_entries(ydl, found, entries),
            is_list=True,
            choice=None,
            shortened=False,
        )
    )


def iterate_entries(ydl: Any, found: dict[str, Any], url: str) -> Iterator[ListEntry]:
    """The entries of a list, in its order, as they are found: a long list is read page by page."""
    page = str(found.get("webpage_url") or url)
    for index, entry in PlaylistEntries(ydl, found)[:]:
        if index > MAX_LISTED:
            return
        if isinstance(entry, Mapping):
            yield ListEntry(
                index,
                _url_of(entry, page),
                probe_fields.text(entry.get("title"), MAX_TITLE),
                number_or_none(entry.get("duration")),
            )


def _url_of(entry: Mapping[str, Any], page: str) -> str | None:
    """The URL by which the entry's video is found again; None where only the list leads to it."""
    is_reference = str(entry.get("_type") or "video").startswith("url")
    plain = entry.get("url") if is_reference else entry.get("webpage_url") or entry.get("url")
    if not isinstance(plain, str):
        return None
    absolute = probe_fields.url(urljoin(page, unsmuggle_url(plain, {})[0]))
    return None if absolute == page else absolute


def _count_entries(ydl: Any, found: dict[str, Any], first: list[ListEntry]) -> int | None:
    if len(first) <= MAX_ENTRIES:
        return len(first)
    count = found.get("playlist_count") or PlaylistEntries(ydl, found).get_full_count()
    return probe_fields.whole(count, MAX_LISTED) if count else None
