"""Reads the entries of playlists for batches: children list them, a few at once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from vidferry_common.contract.batches import BatchWarning, Entry, PlaylistRequest, parse_items
from vidferry_common.contract.formats import Format
from vidferry_common.text import remove_controls
from vidferry_worker.attempt.bounds import extraction_stall_seconds
from vidferry_worker.batches.entry_source import EntryPage
from vidferry_worker.children.protocol import MAX_WALKED, ListedEntry, LookOrder, LookPurpose, VideosListed
from vidferry_worker.context import WorkerContext
from vidferry_worker.looks.look import look_at
from vidferry_worker.looks.new_entries import NewEntries


class PlaylistReader:
    """Reads the playlists of this worker's batches. An EntrySource (batches/entry_source.py)."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._slots = asyncio.Semaphore(context.settings.look_slots)

    async def read_entries(
        self, playlist: PlaylistRequest, known: Sequence[Entry], credential: str = ""
    ) -> AsyncGenerator[EntryPage, None]:
        most, asked = self._context.settings.max_entries, _count_asked(playlist)
        is_limited = asked is None or asked > most
        new = NewEntries(known, most if asked is None else min(most, asked), tells_more=is_limited)
        if new.is_complete:
            return
        order = LookOrder(
            LookPurpose.LIST,
            playlist.url,
            Format().canonical(),
            extraction_stall_seconds(self._context.settings),
            playlist.items,
            new.to_list,
            playlist.newest_first,
        )
        async with self._slots, aclosing(look_at(self._context, order, credential)) as reports:
            async for report in reports:
                if not isinstance(report, VideosListed):
                    continue
                entries = new.take([_clean_entry(each) for each in report.entries])
                warnings = [BatchWarning.of_limit(most)] if new.has_more else []
                if report.is_cut:
                    warnings.append(BatchWarning.of_long_list(MAX_WALKED))
                yield EntryPage(tuple(entries), _clean(report.title), tuple(warnings))
                if report.done or new.is_complete:
                    return


def _count_asked(playlist: PlaylistRequest) -> int | None:
    """How many entries are asked for at the most; None: all."""
    counts = [] if playlist.limit is None else [playlist.limit]
    if playlist.items:
        counts.append(sum(last - first + 1 for first, last in parse_items(playlist.items)))
    return min(counts, default=None)


def _clean_entry(entry: ListedEntry) -> Entry:
    return Entry(_clean(entry.url), _clean(entry.title), entry.duration)


def _clean(text: str) -> str:
    """The text without control characters, and without halves of surrogate pairs, at which sites cut titles."""
    return remove_controls(text).strip()
