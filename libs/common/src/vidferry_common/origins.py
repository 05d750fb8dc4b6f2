"""Origins of web pages (RFC 6454), as settings name them, and the domains that hosts belong to."""

import re
from functools import cache
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from vidferry_common.contract.identity import known_site
from vidferry_common.proxies import subscriber_of
from vidferry_common.settings import split_list

_PORT = re.compile(r"(?P<host>[^:]+|\[.*\]):[0-9]+")


def _split_list(value: object) -> object:
    return tuple(part.rstrip("/") for part in split_list(value)) if isinstance(value, str) else value


def _each_an_origin(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        scheme, _, host = origin.partition("://")
        if origin != "*" and (scheme not in {"http", "https"} or not host or "/" in host):
            msg = f"{origin!r} is not an origin. Write scheme, host and port, such as https://app.example.org"
            raise ValueError(msg)
    return value


Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list), AfterValidator(_each_an_origin)]
"""separated by commas in the environment; `*` is every origin"""


def registered_domain(host: str) -> str:
    """The domain that somebody had to register to have that host, such as example.co.uk; an address as one subscriber.

    Names that a hoster or a dynamic DNS gives away count as that one's: they cost nothing, so there is no end to them.
    """
    name = host.strip("[]").rstrip(".").lower()
    try:
        ip_address(name)
    except ValueError:
        return _load_suffixes().privatesuffix(name) or name
    return subscriber_of(name)


def registered_site(site: str) -> str:
    """The registered domain of a host, or of a site as site_of tells it: without a port, and ALIASES count as one.

    Limits, pauses, the sites file, cookies and metrics know a site by it.
    """
    if port := _PORT.fullmatch(site):
        site = port["host"]
    return known_site(registered_domain(site.lower().rstrip(".").removeprefix("www."))) if site else ""


def registered_site_of(url: str) -> str:
    """The registered site of a URL; empty where it names no host."""
    try:
        return registered_site(urlsplit(url).hostname or "")
    except ValueError:  # the URL of a child that fails at once may be any text
        return ""


def is_public_suffix(host: str) -> bool:
    """Whether names are sold below it, such as co.uk, so that it is nobody's own."""
    return _load_suffixes().is_public(host.lower())


@cache
def _load_suffixes() -> PublicSuffixList:
    """The public suffixes that registries sell names below; read once, when first needed."""
    return PublicSuffixList(only_icann=True)
