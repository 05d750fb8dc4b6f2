"""Describes a list to the worker: a playlist, a channel, a feed. Its entries are those that a batch would take."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from vidferry_common.contract.errors import MAX_COUNTED
from vidferry_common.contract.probes import MAX_ENTRIES, ListEntry, Probe
from vidferry_worker.child import probe_fields
from vidferry_worker.child.lists.listed_video import ListedVideo
from vidferry_worker.child.lists.walk import ListWalker
from vidferry_worker.children.protocol import MAX_LISTED, MAX_TITLE


def describe_list(ydl: Any, found: dict[str, Any], url: str, count: int | None) -> Probe:
    """The probe of a list that an extractor has found. url: that the caller sent. count: of its videos, if known."""
    entries = list(islice(describe_entries(ListWalker(ydl).walk(found, url)), MAX_ENTRIES + 1))
    told = found.get("playlist_count")
    if len(entries) <= MAX_ENTRIES:
        count = len(entries)
    elif count is None or count > MAX_COUNTED:
        count = probe_fields.whole(told, MAX_LISTED) if told else None
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
            entry_count=count,
            is_list=True,
            choice=None,
            shortened=False,
        )
    )


def add_entries(probe: Probe, videos: Iterable[ListedVideo]) -> Probe:
    """The probe of a video whose page has several, with all of them."""
    entries = list(describe_entries(videos))
    return probe_fields.shorten(replace(probe, entries=entries[:MAX_ENTRIES], entry_count=len(entries)))


def describe_entries(videos: Iterable[ListedVideo]) -> Iterator[ListEntry]:
    """The entries of a list, from 1 on."""
    for index, video in enumerate(videos, 1):
        yield ListEntry(index, probe_fields.url(video.url), probe_fields.text(video.title, MAX_TITLE), video.duration)
