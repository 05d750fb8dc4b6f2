"""The Host header: a request has exactly one, and it names a host (RFC 9112 §3.2)."""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address

# Narrower than RFC 3986's reg-name: what is accepted becomes part of the addresses that callers are told.
_HOST = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,253}|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>\d{1,5}))?")
_LARGEST_PORT = 65535


def is_host(text: str) -> bool:
    """Whether text is a host, with a port or without, that a client can connect to."""
    match = _HOST.fullmatch(text)
    if match is None or not match["name"].strip("."):
        return False
    if match["port"] is not None and not 0 < int(match["port"]) <= _LARGEST_PORT:
        return False
    return match["v6"] is None or _is_ipv6(match["v6"])


def names_one_host(headers: Iterable[tuple[bytes, bytes]], http_version: str) -> bool:
    """Whether a request's headers, with names in lower case, name its host once; HTTP/1.0 need not name it."""
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts:
        return http_version == "1.0"
    return len(hosts) == 1 and is_host(hosts[0].decode("latin-1"))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
