"""Reads the entries of playlists for batches: children list them, a few at once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from vidferry_common.contract.batches import Entry, PlaylistRequest, parse_items
from vidferry_common.contract.formats import Format
from vidferry_common.text import remove_controls
from vidferry_worker.batches.entry_source import EntryPage
from vidferry_worker.children.protocol import ListedEntry, LookOrder, LookPurpose, VideosListed
from vidferry_worker.context import WorkerContext
from vidferry_worker.looks.look import look_at
from vidferry_worker.looks.new_entries import NewEntries


class PlaylistReader:
    """Reads the playlists of this worker's batches. An EntrySource (batches/entry_source.py)."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._slots = asyncio.Semaphore(context.settings.look_slots)

    async def read_entries(self, playlist: PlaylistRequest, known: Sequence[Entry]) -> AsyncGenerator[EntryPage, None]:
        asked = _count_asked(playlist, self._context.settings.max_entries)
        new = NewEntries(known, asked)
        if not new.remaining:
            return
        order = LookOrder(
            LookPurpose.LIST,
            playlist.url,
            Format().canonical(),
            self._context.settings.stall_seconds,
            playlist.items,
            new.to_list,
            playlist.newest_first,
        )
        async with self._slots, aclosing(look_at(self._context, order)) as reports:
            async for report in reports:
                if not isinstance(report, VideosListed):
                    continue
                entries = new.take([_clean_entry(each) for each in report.entries])
                yield EntryPage(tuple(entries), _clean(report.title))
                if report.done or not new.remaining:
                    return


def _count_asked(playlist: PlaylistRequest, most: int) -> int:
    """How many entries are asked for at the most."""
    asked = most if playlist.limit is None else min(most, playlist.limit)
    if playlist.items:
        asked = min(asked, sum(last - first + 1 for first, last in parse_items(playlist.items)))
    return asked


def _clean_entry(entry: ListedEntry) -> Entry:
    return Entry(_clean(entry.url), _clean(entry.title), entry.duration)


def _clean(text: str) -> str:
    """The text without control characters, and without halves of surrogate pairs, at which sites cut titles."""
    return remove_controls(text).strip()
