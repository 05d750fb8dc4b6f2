"""What children ask of the broker: hosts, ports and times of any kind, and names that lead anywhere."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

from system.fuzz.target import TEXTS, Check, Target
from vidferry_worker.network.broker import Broker, ForbiddenAddress
from vidferry_worker.network.dial import Address
from vidferry_worker.network.egress import DEFAULT_PORTS, EgressPolicy
from vidferry_worker.network.resolver import AddressInfo, LookupQuota, Resolver

ADDRESSES = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.sampled_from(["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "192.88.99.1"]),
    st.sampled_from(["::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1", "fd00::1", "ff02::1"]),
).map(str)
SPELLED = st.one_of(
    ADDRESSES,
    st.integers(0, 2**32).map(str),
    st.integers(0, 2**32).map(hex),
    st.text("0123456789.:x%[]", max_size=20),
    TEXTS,
)
REQUESTS = st.fixed_dictionaries(
    {
        "host": SPELLED,
        "port": st.sampled_from(sorted(DEFAULT_PORTS)) | st.integers(-1, 2**17),
        "timeout": st.just(30.0) | st.floats(),
    }
)


class Names(LookupQuota):
    """The names of an attacker, which have whatever addresses he likes; numbers are read as the product reads them."""

    def __init__(self, addresses: list[str]) -> None:
        super().__init__(Resolver())
        self._addresses = addresses

    async def look_up(self, host: str, port: int) -> AddressInfo:
        try:
            return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
        except (socket.gaierror, UnicodeError):
            families = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in self._addresses]
            given = zip(families, self._addresses, strict=True)
            return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in given]


def _destination(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Where packets end: Pythons differ in whether a tunnel's own address is a global one."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv4Address):
        return address
    return address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1]) or address


@contextmanager
def _open() -> Iterator[Check]:
    dialled: list[Address] = []

    async def dial(address: Address) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError

    broker = Broker(EgressPolicy((), frozenset()), dial)

    def check(example: tuple[dict[str, Any], list[str]]) -> None:
        request, addresses = example
        dialled.clear()
        with contextlib.suppress(OSError, ForbiddenAddress):
            runner.run(broker.connect(request["host"], request["port"], request["timeout"], Names(addresses)))
        for address in dialled:
            assert _destination(address.host).is_global, address
            assert address.port in DEFAULT_PORTS

    with asyncio.Runner() as runner:
        yield check


TARGET = Target(st.tuples(REQUESTS, st.lists(ADDRESSES, max_size=4)), _open, round_size=50)
