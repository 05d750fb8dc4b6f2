"""The operator's files of cookies: VIDFERRY_COOKIES_DIR, read again when one changes.

    example.com.txt          for all downloads of example.com and its subdomains
    alice_example.com.txt    for those that ask for the credential alice

These are names that the keys of a Kubernetes Secret may have. In a mounted Secret each file is a link, and names that
begin with a dot are the mount's own.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import known_site
from vidferry_common.watched_file import FileUnreadable, WatchedFile, poll
from vidferry_worker.cookies.jar import MAX_BYTES, Jar, parse_file_name, read_jar
from vidferry_worker.cookies.loan import NO_LOAN, Loan
from vidferry_worker.cookies.netscape import CookieFileWrong

logger = logging.getLogger(__name__)

MAX_FILES = 256
WARN_SECONDS = 3 * 86400
"""before a cookie expires"""


@dataclass(frozen=True, slots=True)
class CookieReport:
    """What the metrics tell of the files."""

    files: Mapping[str, int]
    """how many are `valid`, `expired` and `unusable`"""
    ignored_lines: int
    next_expiry: float | None
    """when the next cookie expires, seconds since 1970; None where none does"""


class CookieDirectory:
    """The cookies of all sites and credentials. Of a file that can't be used any more, those before stay."""

    def __init__(self, path: Path | None) -> None:
        """path: the directory; None where the service has no cookies."""
        self._path = path
        self._files: dict[str, WatchedFile] = {}
        self._jars: dict[tuple[str, str], Jar] = {}
        """by credential, which is empty for everybody's, and site"""
        self._problems: dict[str, str] = {}
        """by file"""
        self._warned: dict[str, int] = {}
        """the expiry that was logged last, by file"""
        self.refresh()

    def lend(self, url: str, credential: str = "") -> Loan:
        """The cookies for a child that asks the site of a URL. Raises JobFailure if the credential has none for it."""
        jar = self._find_jar(url, credential)
        if jar is None:
            if credential:
                raise JobFailure(ErrorCode.CREDENTIAL_MISSING, f"no file {credential}_….txt is for the URL's site")
            return NO_LOAN
        cookies = jar.valid_cookies(time.time())
        if credential and not cookies:
            raise JobFailure(ErrorCode.CREDENTIAL_REFUSED, f"{jar.file}: all cookies have expired")
        return Loan(cookies, jar.file)

    async def watch(self) -> None:
        """Reads whatever has changed, until cancelled."""
        await poll(self.refresh)

    def refresh(self) -> None:
        """Reads the files that have changed. Logs each problem once, however long it stays."""
        if self._path is None:
            return
        try:
            names = self._list_names(self._path)
        except OSError as error:
            self._note_problem(".", f"the directory can't be read ({error.strerror})")
            return
        self._problems.pop(".", None)
        self._forget_files(names)
        for name in names:
            self._refresh_file(self._path, name)
        self._warn_of_expiries(time.time())

    def report(self) -> CookieReport:
        """What the metrics tell."""
        now, jars = time.time(), list(self._jars.values())
        valid = [cookies for jar in jars if (cookies := jar.valid_cookies(now))]
        expiries = [each.expires for cookies in valid for each in cookies if each.expires is not None]
        return CookieReport(
            {"valid": len(valid), "expired": len(jars) - len(valid), "unusable": len(self._problems)},
            sum(jar.ignored_lines for jar in jars),
            min(expiries, default=None),
        )

    def _find_jar(self, url: str, credential: str) -> Jar | None:
        """The jar of the host of the URL, or else of the domain around it."""
        site = known_site((urlsplit(url).hostname or "").rstrip(".").removeprefix("www."))
        while site:
            if jar := self._jars.get((credential, site)):
                return jar
            site = known_site(site.partition(".")[2])
        return None

    def _list_names(self, path: Path) -> list[str]:
        with os.scandir(path) as entries:
            found = islice((entry.name for entry in entries if not entry.name.startswith(".")), MAX_FILES + 1)
            names = sorted(found)
        if len(names) > MAX_FILES:
            self._note_problem("..", f"the directory has more than {MAX_FILES} files; the others are not read")
        else:
            self._problems.pop("..", None)
        return names[:MAX_FILES]

    def _forget_files(self, names: list[str]) -> None:
        """Forgets the files that are gone, and their cookies."""
        for name in self._files.keys() - set(names):
            del self._files[name]
            self._problems.pop(name, None)
            self._warned.pop(name, None)
            self._jars = {key: jar for key, jar in self._jars.items() if jar.file != name}
            logger.info("a file of cookies is gone", extra={"file": name})

    def _refresh_file(self, path: Path, name: str) -> None:
        file = self._files.setdefault(name, WatchedFile(path / name, MAX_BYTES))
        if not file.has_changed():
            return
        try:
            credential, site = parse_file_name(name)
            jar = read_jar(file, name, site)
        except (FileUnreadable, CookieFileWrong) as error:
            self._note_problem(name, str(error))
        else:
            self._problems.pop(name, None)
            self._jars = {**self._jars, (credential, site): jar}  # others may be reading the one before
            logger.info("read a file of cookies", extra={"file": name, "cookies": len(jar.cookies)})

    def _note_problem(self, name: str, problem: str) -> None:
        if self._problems.get(name) != problem:
            self._problems[name] = problem
            logger.error("a file of cookies can't be used", extra={"file": name, "error": problem})

    def _warn_of_expiries(self, now: float) -> None:
        for jar in self._jars.values():
            expiries = [each.expires for each in jar.valid_cookies(now) if each.expires is not None]
            next_expiry = min(expiries, default=None)
            if next_expiry is None or next_expiry > now + WARN_SECONDS or self._warned.get(jar.file) == next_expiry:
                continue
            self._warned[jar.file] = next_expiry
            hours = round((next_expiry - now) / 3600, 1)
            logger.warning("a cookie expires soon", extra={"file": jar.file, "hours": hours})
