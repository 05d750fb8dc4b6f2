"""Counts by site, for the busiest sites alone: there is no end to the sites that callers name.

A site that has a series keeps it until another one is twice as busy. That one's series then begins at 0, and what was
counted before stays with the others. So every series only rises, as Prometheus expects of a counter.
"""

from ipaddress import ip_address

from vidferry_common.metrics.definitions import OTHER

NAMED_SITES = 50
"""that have series of their own"""
RECENT_EVENTS = 2000
"""after which earlier ones count half: a site that was busy once gives its place to one that is busy now"""
REPLACEMENT_FACTOR = 2
MAX_NAME = 253
"""characters of a host's name (RFC 1035 §2.3.4)"""


class BusiestSites:
    """Counts of events by site and outcome."""

    def __init__(self, outcomes: tuple[str, ...]) -> None:
        self._outcomes = outcomes
        self._recent: dict[str, float] = {}
        """how many events of each site, of late"""
        self._events = 0
        self.values: dict[tuple[str, ...], float] = {}
        """by site and outcome"""
        self._start_series(OTHER)

    def add(self, site: str, outcome: str) -> None:
        """Counts an event. An IP address counts as other."""
        series = (self._find_place(site), outcome)
        self.values[series] += 1

    def _find_place(self, site: str) -> str:
        if not site or len(site) > MAX_NAME or _is_address(site):
            return OTHER
        self._note_event(site)
        if (site, self._outcomes[0]) in self.values:
            return site
        named = [name for name, outcome in self.values if outcome == self._outcomes[0] and name != OTHER]
        if len(named) >= NAMED_SITES:
            quietest = min(named, key=lambda name: self._recent.get(name, 0))
            if self._recent.get(site, 0) <= REPLACEMENT_FACTOR * self._recent.get(quietest, 0):
                return OTHER
            for outcome in self._outcomes:
                del self.values[quietest, outcome]
        self._start_series(site)
        return site

    def _note_event(self, site: str) -> None:
        self._recent[site] = self._recent.get(site, 0) + 1
        self._events += 1
        if self._events >= RECENT_EVENTS:
            self._events //= 2
            self._recent = {name: count / 2 for name, count in self._recent.items() if count >= REPLACEMENT_FACTOR}

    def _start_series(self, site: str) -> None:
        self.values |= dict.fromkeys(((site, outcome) for outcome in self._outcomes), 0)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
