from ipaddress import ip_network

import pytest

from vidferry_common.metrics.catalogue import EgressRefusal
from vidferry_worker.network.egress import EgressPolicy

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.215.14", "172.15.255.255", "172.32.0.1", "11.0.0.1", "100.63.255.255", "100.128.0.1",
    "169.253.0.1", "192.167.0.1", "223.255.255.254", "2606:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8",
    "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip
FORBIDDEN = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::127.0.0.1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1",
                "::ffff:10.0.0.1"],
    "shared": ["100.64.0.1", "100.127.255.254"],
    "link-local": ["169.254.1.1", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.1.1"],
    "metadata": ["169.254.169.254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "fd00:ec2::254", "fd20:ce::254",
                 "100.100.100.200", "192.0.0.192", "169.254.170.2", "168.63.129.16"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1"],
    "translated": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::808:808"],
    "6to4": ["2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1"],
    # The last four bytes are the client's address, every bit turned round.
    "teredo": ["2001:0:808:808::80ff:fffe", "2001:0:808:808::f5ff:fffe", "2001:0:808:808::5601:5601"],
    "documentation": ["2001:db8::1", "3fff::1"],
    "other v6": ["100::1", "5f00::1", "fec0::1", "4000::1", "2001:10::1", "2001:20::1", "1::1"],
    "no address": ["", "example.com", "127.1", "0x7f000001", "2130706433", "017700000001", "1.2.3", "1.2.3.4.5",
                   " 8.8.8.8"],
}  # fmt: skip
ALL_FORBIDDEN = [pytest.param(address, id=f"{kind} {address}") for kind, some in FORBIDDEN.items() for address in some]
STRICT = EgressPolicy((), frozenset())


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached_on_the_usual_ports(address: str) -> None:
    assert [port for port in (1, 22, 25, 80, 443, 6379, 8080, 8443, 9090) if STRICT.permits(address, port)] == [
        80, 443, 8080, 8443,
    ]  # fmt: skip


@pytest.mark.parametrize("address", ALL_FORBIDDEN)
def test_nothing_else_is_reached(address: str) -> None:
    assert not any(STRICT.permits(address, port) for port in (80, 443, 8080, 8443))


def test_more_ports_open_public_addresses_only() -> None:
    policy = EgressPolicy((), frozenset({8000}))

    assert policy.permits("8.8.8.8", 8000)
    assert policy.find_refusal("8.8.8.8", 8001) is EgressRefusal.PORT
    assert policy.find_refusal("127.0.0.1", 8000) is EgressRefusal.NOT_PUBLIC


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("64:ff9b::a01:203", True), ("10.2.0.1", False),
        ("127.0.0.1", False), ("fd00:1::7", True), ("fd00:2::7", False), ("169.254.169.254", False),
    ],
)  # fmt: skip
def test_named_ranges_are_reached_on_every_port(address: str, allowed: bool) -> None:
    policy = EgressPolicy((ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")), frozenset())

    assert {policy.permits(address, port) for port in (1, 80, 6379, 65535)} == {allowed}


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("34.9.1.1", False), ("::ffff:34.9.1.1", False), ("64:ff9b::2209:101", False), ("2002:2209:101::1", False),
        ("34.10.1.1", True), ("2600:1900::1", False), ("10.1.0.7", False), ("10.1.1.7", True),
    ],
)  # fmt: skip
def test_a_denied_range_is_refused_though_it_is_public_or_allowed(address: str, reached: bool) -> None:
    denied = ("34.9.0.0/16", "2600:1900::/28", "10.1.0.0/24")
    policy = EgressPolicy((ip_network("10.1.0.0/16"),), frozenset(), tuple(map(ip_network, denied)))

    assert policy.permits(address, 443) is reached
    assert policy.find_refusal(address, 443) is (None if reached else EgressRefusal.DENIED)
    assert EgressPolicy(policy.allow, policy.ports).permits(address, 443)
