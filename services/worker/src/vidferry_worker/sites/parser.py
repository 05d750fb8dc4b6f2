"""Reads the contents of the sites file:

    [default]                    # optional: for all sites
    sleep = 0.5

    ["example.com"]              # in quotes: the registered domain
    fragments = 2
    proxy = "http://user:password@proxy.example.org:3128"

No error tells anything that stands in the file but names of sites: proxies have passwords.
"""

import contextlib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address
from typing import Any

from vidferry_common.origins import is_public_suffix, registered_site
from vidferry_common.urls import canonical_host
from vidferry_worker.network.proxy import Proxy
from vidferry_worker.sites.browsers import is_browser, list_browsers

MAX_BYTES = 256 * 1024
"""of the file"""
MAX_LINE = 2000
"""characters. tomllib takes minutes for one dotted name that fills the file: the time grows with its square"""
MAX_ENTRIES = 1000
MAX_FRAGMENTS = 16
MAX_COUNT = 10_000
"""downloads, or starts a minute, of one site"""
MAX_SLEEP = 10.0
"""seconds"""
MAX_USER_AGENT = 500
"""characters"""
DEFAULT = "default"
DIRECT = "none"
"""in the place of a proxy"""

_PORT = re.compile(r":[0-9]+$")
_TOML_LINE = re.compile(r"\(at line (\d+), ")
_TARGET = re.compile(r"[A-Za-z0-9._:-]{1,60}")
_HOW_TO_NAME = 'name it by its registered domain in quotes, like ["example.com"]'

Values = Mapping[str, Any]
"""what an entry sets, by the fields of SiteRule"""


class SitesFileWrong(Exception):
    """The file can't be used. The text says why, and nothing of what stands in it."""


class EntryWrong(Exception):
    """One entry can't be used. The text says why, and nothing of what stands in it."""


@dataclass(frozen=True, slots=True)
class ParsedSites:
    """What a file says."""

    entries: Mapping[str, Values]
    """by site; DEFAULT is the default section"""
    problems: Mapping[str, str]
    """of the entries that can't be used: by site, or by place where the name is wrong"""


def parse_sites(content: bytes, browsers: Sequence[str] = ()) -> ParsedSites:
    """The entries of a file. Raises SitesFileWrong.

    browsers: all that can be impersonated, as yt-dlp names them; empty: that is not known, and any name will do.
    """
    document = _parse_toml(content)
    if len(document) > MAX_ENTRIES:
        raise SitesFileWrong(f"the file has more than {MAX_ENTRIES} entries")
    entries: dict[str, Values] = {}
    problems: dict[str, str] = {}
    for number, (name, table) in enumerate(document.items(), 1):
        place = f"entry {number}"
        try:
            place = name if name == DEFAULT else parse_site(name)
            values = _parse_entry(table, browsers)
        except EntryWrong as error:
            problems[place] = str(error)
            continue
        if place in entries or place in problems:
            problems[place] = "another entry is for the same site"
        else:
            entries[place] = values
    # Of two for one site, neither is taken.
    return ParsedSites({site: values for site, values in entries.items() if site not in problems}, problems)


def parse_site(name: str) -> str:
    """The site that a name in the file is for. Raises EntryWrong."""
    with contextlib.suppress(ValueError):
        return registered_site(str(IPv6Address(name.removeprefix("[").removesuffix("]"))))
    if _PORT.search(name):
        raise EntryWrong("leave out the port: an entry is for all ports of a site")
    try:
        host = canonical_host(name.lower())
    except ValueError:
        raise EntryWrong(_HOW_TO_NAME) from None
    site = registered_site(host)
    if "." in site and is_public_suffix(site):
        raise EntryWrong(f"{site} is nobody's site: {_HOW_TO_NAME}")
    if host != site:
        raise EntryWrong(f"name the site {site}: an entry is for a whole site, with all its hosts")
    return site


def _parse_toml(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_BYTES:
        raise SitesFileWrong(f"the file has more than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SitesFileWrong("the file is not UTF-8") from None
    if too_long := next((number for number, line in enumerate(text.split("\n"), 1) if len(line) > MAX_LINE), None):
        raise SitesFileWrong(f"line {too_long} has more than {MAX_LINE} characters")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = _TOML_LINE.search(str(error))
        place = f"line {found[1]}" if found else "the file"
        # The error may repeat what stands there.
        raise SitesFileWrong(f"{place}: this is not valid TOML, or declares something twice") from None


def _parse_entry(table: object, browsers: Sequence[str]) -> Values:
    if not isinstance(table, dict):
        raise EntryWrong(f"it must be a table: {_HOW_TO_NAME}")
    if any(isinstance(value, dict) for value in table.values()):
        raise EntryWrong(f"it must not have tables within: {_HOW_TO_NAME}")
    if not table.keys() <= _PARSERS.keys():
        raise EntryWrong(f"it may have these keys: {', '.join(_PARSERS)}")
    values = {key: _parse_value(key, value) for key, value in table.items()}
    if browsers and "impersonate" in values and not is_browser(values["impersonate"], browsers):
        raise EntryWrong(f"impersonate must be one of {list_browsers(browsers)}, in a version and system that there is")
    return values


def _parse_value(key: str, value: object) -> Any:
    try:
        return _PARSERS[key](value)
    except ValueError as error:
        raise EntryWrong(f"{key} {error}") from None


def _parse_count(most: int, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"must be a whole number from 1 to {most}")
    return value


def _parse_sleep(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MAX_SLEEP:
        raise ValueError(f"must be a number of seconds from 0 to {MAX_SLEEP:g}")
    return float(value)


def _parse_proxy(value: object) -> Proxy | None:
    """None: directly."""
    if value == DIRECT:
        return None
    if not isinstance(value, str):
        raise ValueError(f'must be a URL, or "{DIRECT}"')  # noqa: TRY004 - what is wrong is the file
    return Proxy.parse_with_user(value)


def _parse_user_agent(value: object) -> str:
    is_header = isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() == value
    if not is_header or not 0 < len(str(value)) <= MAX_USER_AGENT:
        raise ValueError(f"must be text of 1 to {MAX_USER_AGENT} ASCII characters")
    return str(value)


def _parse_target(value: object) -> str:
    if not isinstance(value, str) or not _TARGET.fullmatch(value):
        raise ValueError('must be the name of a browser, such as "chrome"')
    return value


_PARSERS: dict[str, Callable[[object], Any]] = {
    "downloads": partial(_parse_count, MAX_COUNT),
    "starts_per_minute": partial(_parse_count, MAX_COUNT),
    "fragments": partial(_parse_count, MAX_FRAGMENTS),
    "sleep": _parse_sleep,
    "proxy": _parse_proxy,
    "user_agent": _parse_user_agent,
    "impersonate": _parse_target,
}
"""by the keys of an entry, which are the fields of SiteRule"""
KEYS = frozenset(_PARSERS)
