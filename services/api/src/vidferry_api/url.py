"""Which addresses are accepted, and their one spelling: downloads are shared by address."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

MAX_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\<>\"^`{|}]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_SMUGGLED = "__youtubedl_smuggle"


def canonical(text: str) -> str:
    """The address in its one spelling; ValueError, with a sentence, where it can't be downloaded from."""
    text = text.strip()
    if not text:
        raise ValueError("paste the address of a video, such as https://example.org/video")
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an address has at most {MAX_LENGTH} characters")
    if _SMUGGLED in unquote(text):
        raise ValueError("this address carries instructions for a downloader; paste the address of the page instead")
    if _FORBIDDEN.search(text):
        raise ValueError(
            "an address holds no spaces, quotes, braces or control characters; encode them as %20 and so on"
        )
    return _rebuilt(_split(text))


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("this is no address; check its host and port") from None
    if parts.scheme.lower() not in DEFAULT_PORTS:
        raise ValueError("the address must begin with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address must not hold a user name or a password")
    if not parts.hostname:
        raise ValueError("the address names no host")
    return parts


def _rebuilt(parts: SplitResult) -> str:
    """Scheme and host in small letters, no default port, no fragment, everything outside ASCII encoded."""
    scheme, port = parts.scheme.lower(), parts.port
    host = _host(parts.hostname or "")
    if port == 0:
        raise ValueError("the address names port 0, which does not exist")
    netloc = host if port in {None, DEFAULT_PORTS[scheme]} else f"{host}:{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._[]")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._[]?")
    return urlunsplit((scheme, netloc, path, query, ""))


def _host(host: str) -> str:
    if ":" in host:
        try:
            return f"[{ip_address(host.partition('%')[0])}]"
        except ValueError:
            raise ValueError("the address's host is no IPv6 address") from None
    try:
        ascii_host = host.encode("idna").decode().lower() if not host.isascii() else host.lower()
    except UnicodeError:
        raise ValueError("the address's host is no name of a host") from None
    labels = ascii_host.removesuffix(".").split(".")
    if len(ascii_host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - RFC 1035
        raise ValueError("the address's host is no name of a host")
    return ascii_host
