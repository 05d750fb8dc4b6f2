"""How many fragments (HLS, DASH) each download may fetch at once, so that one worker does not overload a site."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class FragmentBudget:
    """The fragments that all downloads of a worker may fetch at once, by site."""

    def __init__(self, per_site: int) -> None:
        self._per_site = per_site
        self._taken: Counter[str] = Counter()

    @contextmanager
    def reserve(self, domain: str, most: int) -> Iterator[int]:
        """Reserves up to most fragments for one download of a site: those that are left, and at least one.

        Yields their number.
        """
        count = max(1, min(most, self._per_site - self._taken[domain]))
        self._taken[domain] += count
        try:
            yield count
        finally:
            self._taken[domain] -= count
            self._taken += Counter()  # drops the sites whose count is 0
