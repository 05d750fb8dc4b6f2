"""Whose address counts behind a list of proxies, and what counts as one client."""

import pytest

from vidferry_common.proxies import Proxies, ProxySettings, subscriber_of

PROXIES = Proxies(ProxySettings.model_validate({"trusted_proxies": "10.0.0.0/8"}).trusted_proxies)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["198.51.100.1, 10.2.2.2"], "198.51.100.1"),
        ("10.1.1.1", ["198.51.100.1", "10.2.2.2"], "198.51.100.1"),
        ("10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ("10.1.1.1", ["made up, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", ["", " "], "10.1.1.1"),
        ("::ffff:10.1.1.1", ["2001:db8::1"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_whom_a_list_of_proxies_speaks_for(peer: str, forwarded: list[str], client: str) -> None:
    assert PROXIES.find_client(peer, forwarded) == client


def test_what_counts_as_one_client() -> None:
    assert subscriber_of("203.0.113.9") == subscriber_of("::ffff:203.0.113.9") == "203.0.113.9"
    assert subscriber_of("2001:db8:1:2:3::4") == subscriber_of("2001:db8:1:2::5") != subscriber_of("2001:db8:1:3::4")
    assert PROXIES.find_subscriber("10.1.1.1", ["2001:db8:1:2::5"]) == "2001:db8:1:2::/64"
