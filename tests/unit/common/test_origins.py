"""Which domain somebody had to register to have a host."""

import pytest

from vidferry_common.origins import registered_domain, registered_site


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("WWW.Example.COM.", "example.com"),
        ("example.com..", "example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("one.github.io", "github.io"),
        ("one.duckdns.org", "duckdns.org"),
        ("192.0.2.1.nip.io", "nip.io"),
        ("a.b.no-registry", "b.no-registry"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1.", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::FFFF:c000:201]", "192.0.2.1"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("[2001:DB8:0:1:ffff::2]", "2001:db8:0:1::/64"),
    ],
)
def test_hosts_belong_to_a_domain(host: str, domain: str) -> None:
    assert registered_domain(host) == domain


def test_hosts_of_one_site() -> None:
    hosts = ("youtu.be", "WWW.YouTube.com", "m.youtube.com", "youtu.be.", "youtube.com:8443")
    assert {registered_site(host) for host in hosts} == {"youtube.com"}
    assert registered_site("") == ""
    assert {registered_site(host) for host in ("[2001:db8::1]:81", "2001:db8::1", "2001:db8::/64")} == {"2001:db8::/64"}
