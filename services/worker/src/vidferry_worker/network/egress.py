"""Which addresses a download may reach. Pure: it decides about addresses, it resolves none."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

DEFAULT_PORTS = frozenset({80, 443, 8080, 8443})
"""that downloads may reach on public addresses without being named"""

# IPv6 ranges that carry an IPv4 address inside: what they lead to is decided by that one.
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
# Not reachable by everyone, whatever a registry says of them: RFC 6890, RFC 8215, RFC 9637, and 6bone's remains.
_NEVER = tuple(
    IPv6Network(net)
    for net in ("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10")
)
_NEVER_V4 = tuple(IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))
_GLOBAL_UNICAST = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Public addresses on the usual ports, and what the operator names."""

    allow: Sequence[IPv4Network | IPv6Network]
    ports: Collection[int]
    deny: Sequence[IPv4Network | IPv6Network] = ()
    """refused though they are public, or allowed: a cluster's own ranges may be any"""

    def permits(self, address: str, port: int) -> bool:
        """Address is a numeric one, as the resolver gave it (a scope id makes it link-local, so refused)."""
        try:
            outer = ip_address(address)
        except ValueError:
            return False
        ip = _inner(outer)
        if _within(ip, self.deny) or _within(outer, self.deny):
            return False
        if _within(ip, self.allow):
            return True
        return _is_public(ip) and (port in DEFAULT_PORTS or port in self.ports)


def _within(ip: IPv4Address | IPv6Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(ip in network for network in networks if network.version == ip.version)


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one maps, translates or tunnels to, else itself."""
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
