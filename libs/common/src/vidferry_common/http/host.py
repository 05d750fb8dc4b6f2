"""The Host header and X-Forwarded-Host: how they are read, and what is a valid host."""

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


def hosts_of(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """What a request's headers, with names in lower case, say is its host."""
    return [value.decode("latin-1") for name, value in headers if name == b"host"]


def forwarded_host(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The host that the outermost proxy was asked for, by X-Forwarded-Host; empty where there is none."""
    told = next((value for name, value in headers if name == b"x-forwarded-host"), b"")
    return told.decode("latin-1").partition(",")[0].strip()


def bare_host(host: str) -> str:
    """A host's name or address in lower case, without port, brackets and a dot at its end."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
