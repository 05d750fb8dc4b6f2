"""Validates URLs and brings them into a canonical form, since downloads are shared by URL."""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

import idna

MAX_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

# Browsers read a backslash as a slash and skip tabs, other programs don't: such a URL could lead to two places.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\s\\]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_MAX_HOST = 253  # RFC 1035 §2.3.4, without the last dot
_SMUGGLED_DATA_KEY = "__youtubedl_smuggle"

_NO_HOST = "the URL's host is not a valid host name; check its spelling"


def canonical_url(text: str) -> str:
    """The URL in its canonical form. Raises ValueError, with a sentence for the caller, if it is not accepted."""
    text = text.strip()
    if not text:
        raise ValueError("paste the URL of a video, such as https://example.org/video")
    _check_length(text)
    if _SMUGGLED_DATA_KEY in unquote(text):
        raise ValueError("the URL carries yt-dlp's internal data; paste the URL of the video's page instead")
    if _FORBIDDEN.search(text):
        raise ValueError("the URL must not contain spaces, backslashes or control characters; write a space as %20")
    url = _build_canonical(_split_url(text))
    _check_length(url)
    return url


def _check_length(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the URL must not be longer than {MAX_LENGTH} characters after encoding")


def _split_url(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("this is not a valid URL; check its host and port") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("the URL must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("the URL must not contain a user name or a password")
    if not parts.hostname:
        raise ValueError("the URL has no host; write it as https://host/path")
    return parts


def _build_canonical(parts: SplitResult) -> str:
    """Lower-case scheme and host, no default port, no fragment, percent-encoded where necessary."""
    if parts.port == 0:
        raise ValueError("the URL has port 0, which does not exist")
    host = _canonical_ipv6(parts.hostname or "") if "[" in parts.netloc else canonical_host(parts.hostname or "")
    netloc = host if parts.port in {None, DEFAULT_PORTS[parts.scheme]} else f"{host}:{parts.port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._[]")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._[]?")
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def _canonical_ipv6(host: str) -> str:
    try:
        address = IPv6Address(host)
    except ValueError:
        raise ValueError("the URL's host is not a valid IPv6 address") from None
    if address.scope_id:
        raise ValueError("the URL's IPv6 address has a zone id; remove % and what follows")
    return f"[{address.compressed}]"


def canonical_host(host: str) -> str:
    """A host name in its ASCII form, or an IPv4 address. Raises ValueError, with a sentence, if it is neither."""
    name = (host if host.isascii() else _to_ascii(host)).removesuffix(".")
    labels = name.split(".")
    if len(name) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(_NO_HOST)
    if _NUMBER.fullmatch(labels[-1]):
        return _canonical_ipv4(name)
    return name


def _to_ascii(host: str) -> str:
    """Converts as browsers do (IDNA 2008 with UTS 46), so that the same site is reached."""
    try:
        return idna.encode(host, uts46=True).decode()
    except UnicodeError:  # idna.IDNAError is one
        raise ValueError(_NO_HOST) from None


def _canonical_ipv4(name: str) -> str:
    """Accepts four decimal numbers only: programs read 127.1, 0x7f000001 and the like differently."""
    try:
        return str(IPv4Address(name))
    except ValueError:
        raise ValueError("write the URL's IPv4 address as four decimal numbers, such as 192.0.2.1") from None
