"""The cookies of one file, and what its name says of them."""

import json
import logging
import re
from dataclasses import dataclass

from vidferry_common.contract.identity import known_site
from vidferry_common.origins import is_public_suffix, registered_site
from vidferry_common.watched_file import WatchedFile
from vidferry_worker.children.protocol import Cookie
from vidferry_worker.cookies.netscape import CookieFile, CookieFileWrong, parse_cookie_file

logger = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024
"""of one file"""
MAX_SENT_BYTES = 32 * 1024
"""of the cookies of one file, as a child is sent them: half of what one message may have"""
MAX_NAMED_LINES = 5
_FILE_NAME = re.compile(r"(?:(?P<credential>[a-z0-9][a-z0-9-]{0,31})_)?(?P<site>[a-z0-9-]+(?:\.[a-z0-9-]+)+)\.txt")
_HOW_TO_NAME = "name it like example.com.txt, or like alice_example.com.txt for a credential"


@dataclass(frozen=True, slots=True)
class Jar:
    """The cookies of one file."""

    file: str
    """the file's name"""
    cookies: tuple[Cookie, ...]
    ignored_lines: int = 0

    def valid_cookies(self, now: float) -> tuple[Cookie, ...]:
        """Those that have not expired."""
        return tuple(each for each in self.cookies if each.expires is None or each.expires > now)


def parse_file_name(name: str) -> tuple[str, str]:
    """The credential and the site that a file is for, by its name. Raises CookieFileWrong."""
    found = _FILE_NAME.fullmatch(name)
    if not found:
        raise CookieFileWrong(_HOW_TO_NAME)
    site = found["site"]
    if is_public_suffix(site):
        raise CookieFileWrong(f"{site} is nobody's site: {_HOW_TO_NAME}")
    known = known_site(site.removeprefix("www."))
    if known != site:
        raise CookieFileWrong(f"name the site {known}")
    return found["credential"] or "", site


def read_jar(file: WatchedFile, name: str, site: str) -> Jar:
    """The cookies of a file of that name and site. Raises FileUnreadable, CookieFileWrong."""
    content = file.read()
    if len(content) > MAX_BYTES:
        raise CookieFileWrong(f"it has more than {MAX_BYTES} bytes: export the cookies of this site alone")
    own = registered_site(site)
    parsed = parse_cookie_file(content, lambda domain: registered_site(domain) == own)
    if not parsed.cookies:
        raise CookieFileWrong("no line is a cookie of its site in Netscape's format")
    if len(json.dumps(parsed.cookies)) > MAX_SENT_BYTES:
        raise CookieFileWrong(f"its cookies take more than {MAX_SENT_BYTES} bytes")
    _log_ignored_lines(name, parsed)
    return Jar(name, parsed.cookies, len(parsed.wrong_lines) + parsed.foreign_lines)


def _log_ignored_lines(name: str, parsed: CookieFile) -> None:
    if parsed.wrong_lines:
        lines = ", ".join(map(str, parsed.wrong_lines[:MAX_NAMED_LINES]))
        logger.warning(
            "lines of a file of cookies are not in Netscape's format",
            extra={"file": name, "count": len(parsed.wrong_lines), "first": lines},
        )
    if parsed.foreign_lines:
        logger.warning(
            "a file of cookies has some of other sites, which are not used",
            extra={"file": name, "count": parsed.foreign_lines},
        )
