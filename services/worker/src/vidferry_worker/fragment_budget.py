"""How many fragments (HLS, DASH) each download may fetch at once, so that one worker does not overload a site."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class FragmentBudget:
    """The fragments that all downloads of a worker may fetch at once, by site."""

    def __init__(self, per_download: int, per_site: int) -> None:
        self._per_download, self._per_site = per_download, per_site
        self._taken: Counter[str] = Counter()

    @contextmanager
    def reserve(self, domain: str) -> Iterator[int]:
        """Reserves fragments for one download of a site: as many as are left, and at least one. Yields their number."""
        count = max(1, min(self._per_download, self._per_site - self._taken[domain]))
        self._taken[domain] += count
        try:
            yield count
        finally:
            self._taken[domain] -= count
            self._taken += Counter()  # drops the sites whose count is 0
