"""How many parts at once each download may fetch, so that one site is not asked for too many by one worker."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class FragmentBudget:
    """The parts that all downloads of a worker may fetch at once, by site."""

    def __init__(self, of_one: int, of_all: int) -> None:
        self._of_one, self._of_all = of_one, of_all
        self._taken: Counter[str] = Counter()

    @contextmanager
    def share(self, domain: str) -> Iterator[int]:
        """What a download of that site may fetch at once while it runs: as many as are left, one at least."""
        count = max(1, min(self._of_one, self._of_all - self._taken[domain]))
        self._taken[domain] += count
        try:
            yield count
        finally:
            self._taken[domain] -= count
            self._taken += Counter()  # forgets those that nothing is fetched from
