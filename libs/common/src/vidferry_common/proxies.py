"""Which reverse proxies are trusted, and which client they name."""

from collections.abc import Iterable
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from vidferry_common.settings import Settings, parse_networks

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_SUBNET = 64
"""bits of an IPv6 address that name a subscriber: whoever has one address has all of its /64"""


class Proxies:
    """The addresses of trusted proxies."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)
        # Proxies are few, and each connection of theirs asks for the same address.
        self.trusted = lru_cache(maxsize=256)(self._is_trusted)

    def _is_trusted(self, address: str) -> bool:
        """Whether a peer's address is a proxy's; False for what is no address, such as a Unix socket's."""
        found = parse_address(address)
        return found is not None and any(
            found in network for network in self._networks if network.version == found.version
        )

    def find_client(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """The address that the outermost trusted proxy saw, or the peer's own.

        Each proxy appends its peer to X-Forwarded-For, so the list is read from its end, and no further than to the
        first address that is not a trusted proxy's: what stands before it, the client may have made up.
        """
        if not self.trusted(peer):
            return peer
        named = [part.strip() for header in forwarded_for for part in header.split(",")]
        for address in reversed(named):
            if parse_address(address) is None:
                return peer
            peer = address
            if not self.trusted(address):
                break
        return peer

    def find_subscriber(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """What counts as one client for limits: the subscriber of find_client()."""
        return subscriber_of(self.find_client(peer, forwarded_for))


class ProxySettings(Settings):
    """The proxies that a service trusts."""

    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="Ranges (CIDR, separated by commas) of the reverse proxies to trust. Only these may set the "
        "client's address and the public host: X-Forwarded-For, X-Forwarded-Host and, for the api, "
        "X-Forwarded-Proto are ignored from everyone else.",
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _parse_ranges(cls, value: object) -> object:
        return parse_networks(value) if isinstance(value, str) else value

    @cached_property
    def proxies(self) -> Proxies:
        return Proxies(self.trusted_proxies)


def subscriber_of(address: str) -> str:
    """What counts as one client for limits: an IPv4 address, or the /64 of an IPv6 one."""
    found = parse_address(address)
    if found is None or found.version == 4:  # noqa: PLR2004 - an IP version
        return str(found or address)
    return str(IPv6Network((found, _SUBNET), strict=False))


@lru_cache(maxsize=1024)
def parse_address(address: str) -> Address | None:
    """The address that text is, None where it is none; IPv4 that is written as IPv6 is IPv4."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found
