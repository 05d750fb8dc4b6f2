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

    def __init__(self, known: Sequence[Entry], asked: int, *, tells_more: bool = False) -> None:
        """tells_more: whether one more is read, to tell whether the playlist has more."""
        self._seen = {_key(entry.url) for entry in known if entry.url}
        self._without_url = sum(not entry.url for entry in known)
        """known entries without a URL: as many are taken for them, since they can't be told apart"""
        self.remaining = max(0, asked - len(known))
        """how many may still come"""
        self.to_list = asked + len(known) + tells_more
        """how many a child has to list at the most, since what is known may stand before what is not"""
        self.has_more = False
        """whether the playlist has more, where that is to be told"""
        self._tells_more = tells_more
        self._pages = self.to_list + MAX_EMPTY_PAGES

    @property
    def is_complete(self) -> bool:
        """Whether nothing further of the playlist is needed."""
        return not self.remaining and (self.has_more or not self._tells_more)

    def take(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of the next entries that are new. None comes twice, whatever a child sends.

        Raises JobFailure where it sends more than it was asked for.
        """
        self._pages -= max(1, len(entries))
        if self._pages < 0:
            raise JobFailure(ErrorCode.INTERNAL, "a child lists more entries than were asked for", final=True)
        found = [entry for entry in entries if self._is_new(entry)]
        new = found[: self.remaining]
        self.has_more = self.has_more or (self._tells_more and len(found) > len(new))
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
