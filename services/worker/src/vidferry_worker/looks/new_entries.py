"""Tells the entries of a playlist that is read again from those that are known. Pure.

The playlist may have changed meanwhile: a video may have come first, or another gone. So an entry is known by its URL,
wherever it stands.
"""

from collections.abc import Sequence

from vidferry_common.contract.batches import Entry
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.urls import canonical_url

MAX_EMPTY_PAGES = 2
"""pages without an entry: the title, and the end"""


class NewEntries:
    """The entries of a playlist that are not known yet, up to the number that was asked for."""

    def __init__(self, known: Sequence[Entry], asked: int) -> None:
        self._seen = {_key(entry.url) for entry in known if entry.url}
        self._without_url = sum(not entry.url for entry in known)
        """known entries without a URL: as many are taken for them, since they can't be told apart"""
        self.remaining = max(0, asked - len(known))
        """how many may still come"""
        self.to_list = asked + len(known)
        """how many a child has to list at the most, since what is known may stand before what is not"""
        self._pages = self.to_list + MAX_EMPTY_PAGES

    def take(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of the next entries that are new. None comes twice, whatever a child sends.

        Raises JobFailure where it sends more than it was asked for.
        """
        self._pages -= max(1, len(entries))
        if self._pages < 0:
            raise JobFailure(ErrorCode.INTERNAL, "a child lists more entries than were asked for", final=True)
        new = [entry for entry in entries if self._is_new(entry)][: self.remaining]
        self.remaining -= len(new)
        return new

    def _is_new(self, entry: Entry) -> bool:
        if not entry.url:
            self._without_url -= 1
            return self._without_url < 0
        key = _key(entry.url)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _key(url: str) -> str:
    try:
        return canonical_url(url)
    except ValueError:
        return url
