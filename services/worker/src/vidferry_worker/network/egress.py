"""Which addresses downloads may reach. Pure: it decides about IP addresses and resolves no names."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from vidferry_common.metrics.catalogue import EgressRefusal

DEFAULT_PORTS = frozenset({80, 443, 8080, 8443})
"""that downloads may reach on every public address, besides those that the settings name"""

# These IPv6 addresses contain an IPv4 address, which is where they lead, so that one decides.
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
# Not public, although the ipaddress module may say so: RFC 6890, RFC 8215, RFC 9637, and what was the 6bone.
_NEVER = tuple(
    IPv6Network(net)
    for net in ("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10")
)
_NEVER_V4 = tuple(IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))
_GLOBAL_UNICAST = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """The rules for addresses: public ones on the usual ports, and what the operator allows or denies."""

    allow: Sequence[IPv4Network | IPv6Network]
    ports: Collection[int]
    deny: Sequence[IPv4Network | IPv6Network] = ()
    """refused although public or allowed: a cluster may use public ranges for its own pods"""

    def permits(self, address: str, port: int) -> bool:
        """Whether downloads may reach an IP address and port."""
        return self.find_refusal(address, port) is None

    def find_refusal(self, address: str, port: int) -> EgressRefusal | None:
        """Why downloads may not reach an IP address and port, if so. With a scope id it is link-local, so refused."""
        try:
            outer = ip_address(address)
        except ValueError:
            return EgressRefusal.NOT_PUBLIC
        ip = _embedded_ipv4(outer)
        if _is_within(ip, self.deny) or _is_within(outer, self.deny):
            return EgressRefusal.DENIED
        if _is_within(ip, self.allow):
            return None
        if not _is_public(ip):
            return EgressRefusal.NOT_PUBLIC
        return None if port in DEFAULT_PORTS or port in self.ports else EgressRefusal.PORT


def _is_within(ip: IPv4Address | IPv6Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(ip in network for network in networks if network.version == ip.version)


def _embedded_ipv4(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address maps, translates or tunnels to; otherwise the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.sixtofour:
        return ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    return ip


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if ip.is_multicast or ip.is_reserved or ip.is_unspecified or not ip.is_global:
        return False
    if isinstance(ip, IPv6Address):
        return ip in _GLOBAL_UNICAST and not any(ip in network for network in _NEVER)
    return not any(ip in network for network in _NEVER_V4)
