"""The operator's sites file: VIDFERRY_SITES_FILE, read again when it changes."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from vidferry_common.watched_file import FileUnreadable, WatchedFile, poll
from vidferry_worker.sites.parser import DEFAULT, MAX_BYTES, SitesFileWrong, Values, parse_sites
from vidferry_worker.sites.rules import SiteRule, SiteRules

logger = logging.getLogger(__name__)

MAX_LOGGED = 20
"""problems of one version of the file that are logged"""


@dataclass(frozen=True, slots=True)
class SitesReport:
    """What the metrics tell of the file."""

    used: int
    """entries that are in force"""
    unusable: int
    """entries that can't be used; also one where that is the whole file"""


class SitesFile:
    """The rules of all sites. Of a file or an entry that can't be used, what was there before stays."""

    def __init__(self, path: Path | None, settings: SiteRule, browsers: Sequence[str] = ()) -> None:
        """path: the file; None where the service has none. settings: what holds for sites that it doesn't name.

        browsers: as parse_sites takes them.
        """
        self.rules = SiteRules(settings)
        """in force: replaced as a whole when the file changes"""
        self._settings, self._browsers = settings, browsers
        self._file = WatchedFile(path, MAX_BYTES) if path else None
        self._entries: Mapping[str, Values] = {}
        self._problems: Mapping[str, str] = {}
        """of entries"""
        self._file_problem = ""
        self.refresh()

    async def watch(self) -> None:
        """Reads the file again whenever it has changed, until cancelled."""
        await poll(self.refresh)

    def refresh(self) -> None:
        """Reads the file if it has changed. Logs each problem once, however long it stays."""
        if self._file is None or not self._file.has_changed():
            return
        try:
            parsed = parse_sites(self._file.read(), self._browsers)
        except (FileUnreadable, SitesFileWrong) as error:
            self._note_file_problem(str(error))
            return
        self._file_problem = ""
        before = {site: self._entries[site] for site in parsed.problems if site in self._entries}
        self._note_problems(parsed.problems)
        self._entries = {**parsed.entries, **before}
        self.rules = _make_rules(self._settings, self._entries)
        logger.info("read the sites file", extra={"entries": len(self._entries), "unusable": len(self._problems)})

    def report(self) -> SitesReport:
        """What the metrics tell."""
        return SitesReport(len(self._entries), len(self._problems) + bool(self._file_problem))

    def _note_file_problem(self, problem: str) -> None:
        if problem != self._file_problem:
            self._file_problem = problem
            logger.error("the sites file can't be used", extra={"error": problem})

    def _note_problems(self, problems: Mapping[str, str]) -> None:
        new = (each for each in problems.items() if self._problems.get(each[0]) != each[1])
        for site, problem in islice(new, MAX_LOGGED):
            logger.error("an entry of the sites file can't be used", extra={"entry": site, "error": problem})
        self._problems = problems


def _make_rules(settings: SiteRule, entries: Mapping[str, Values]) -> SiteRules:
    default = replace(settings, **entries.get(DEFAULT, {}))
    return SiteRules(default, {site: replace(default, **values) for site, values in entries.items() if site != DEFAULT})
