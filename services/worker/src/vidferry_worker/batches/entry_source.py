"""Where the entries of a batch come from that is made of a playlist.

The maker (maker.py) asks the source for the entries, writes each page into the batch's record as it comes, and makes
jobs of what is written. So the playlist is read once, however long its jobs wait for a place on the queue, and only a
worker that dies while it reads has it read again.

    async for page in source.read_entries(PlaylistRequest(url, items="1-50,60", limit=20), known=[...]): ...

- `known` are the entries that are written already. The source yields none of them again. They count, so that there are
  not more entries than were asked for, although the playlist has changed meanwhile.
- The source applies `items`, `limit` and `newest_first`, and the limit of the settings (VIDFERRY_MAX_ENTRIES). It warns
  where that limit, and not the caller's, has left out entries.
- It is an asynchronous generator. It yields the first page as soon as it has any entry, and ends after the last one. An
  empty page may come first, to tell the title.
- It waits by itself for a slot of its own, and starts no child before that.
- JobFailure ends it where the playlist can't be read. If the code is retryable, the maker asks again later.
- Closing the iterator (`aclose`, or a cancellation) ends the child.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vidferry_common.contract.batches import BatchWarning, Entry, PlaylistRequest


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Entries of a playlist that were found together, in their order."""

    entries: tuple[Entry, ...]
    title: str = ""
    """the playlist's; empty: not known yet"""
    warnings: tuple[BatchWarning, ...] = ()
    """what was left out, once that is known"""


class EntrySource(Protocol):
    """Reads playlists."""

    def read_entries(
        self, playlist: PlaylistRequest, known: Sequence[Entry], credential: str = ""
    ) -> AsyncGenerator[EntryPage, None]:
        """The entries that are asked for, without those that are known. Raises JobFailure.

        credential: whose cookies the site is asked with; empty: those that are for everybody.
        """
