"""Tells the entries of a playlist that is read again from those that are known. Pure.

The playlist may have changed meanwhile: a video may have come first, or another gone. So an entry is known by its URL,
wherever it stands.
"""

from collections.abc import Iterable, Sequence

from vidferry_common.contract.batches import Entry
from vidferry_common.urls import canonical_url


class NewEntries:
    """The entries of a playlist that are not known yet, up to the number that was asked for."""

    def __init__(self, known: Sequence[Entry], asked: int) -> None:
        self._seen = {_key(entry.url) for entry in known if entry.url}
        self._without_url = sum(not entry.url for entry in known)
        """known entries without a URL: as many are taken for them, since they can't be told apart"""
        self.remaining = max(0, asked - len(known))
        """how many may still come"""

    def take(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those of the next entries that are new. None comes twice, whatever a child sends."""
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
