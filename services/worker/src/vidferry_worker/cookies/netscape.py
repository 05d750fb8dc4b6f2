"""Reads files of cookies in Netscape's format, which curl, yt-dlp and browsers' extensions write.

No error tells what stands in a line: each may hold a secret.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from vidferry_worker.children.protocol import Cookie

_HTTP_ONLY = "#HttpOnly_"
_FIELDS = 7
_EXPIRES = re.compile(r"-?[0-9]{0,15}(\.[0-9]{1,9})?")
_DOMAIN = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_PATH = re.compile(r"/[\x21-\x3a\x3c-\x7e]*")
_NAME = re.compile(r"[\x21-\x3a\x3c\x3e-\x7e]+")
_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e\xa0-\xff]*")
"""what a header can carry; a semicolon would end the cookie"""


class CookieFileWrong(Exception):
    """A file can't be used. The text says why, and nothing of what stands in it."""


@dataclass(frozen=True, slots=True)
class CookieFile:
    """What a file says."""

    cookies: tuple[Cookie, ...]
    wrong_lines: tuple[int, ...] = ()
    """the numbers of lines that are no cookies"""
    foreign_lines: int = 0
    """cookies of other sites than the file's"""


def parse_cookie_file(content: bytes, is_own: Callable[[str], bool]) -> CookieFile:
    """The cookies of a file. is_own: whether a domain is of the file's site. Raises CookieFileWrong."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CookieFileWrong("it is not UTF-8") from None
    if text.lstrip()[:1] in {"[", "{"}:
        raise CookieFileWrong("it is JSON: export the cookies in Netscape's format")
    cookies: list[Cookie] = []
    wrong, foreign = [], 0
    for number, written in enumerate(text.split("\n"), 1):
        line = written.removesuffix("\r").removeprefix(_HTTP_ONLY)
        if not line.strip() or line.startswith("#"):
            continue
        cookie = _parse_line(line)
        if cookie is None:
            wrong.append(number)
        elif is_own(cookie.domain.removeprefix(".")):
            cookies.append(cookie)
        else:
            foreign += 1
    return CookieFile(tuple(cookies), tuple(wrong), foreign)


def _parse_line(line: str) -> Cookie | None:
    """The cookie in a line; None where it is none."""
    fields = line.split("\t")
    if len(fields) != _FIELDS:
        return None
    domain, _, path, secure, expires, name, value = fields
    domain = domain.lower()
    checks = ((_DOMAIN, domain), (_PATH, path), (_EXPIRES, expires), (_NAME, name), (_VALUE, value))
    if secure not in {"TRUE", "FALSE"} or not all(pattern.fullmatch(text) for pattern, text in checks):
        return None
    seconds = int(float(expires)) if expires not in {"", "-"} else 0
    return Cookie(domain, path, secure == "TRUE", seconds if seconds > 0 else None, name, value)
