"""Which domain somebody had to register to have a host."""

import pytest

from vidferry_common.contract.identity import ALIASES
from vidferry_common.origins import registered_domain, registered_site, registered_site_of


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


@pytest.mark.parametrize(("alias", "site"), ALIASES.items())
def test_whatever_is_below_an_alias_is_of_its_site(alias: str, site: str) -> None:
    """Its registered domain first, or the alias first: that makes no difference."""
    for host in (alias, f"www.{alias}", f"a.{alias}", registered_domain(alias)):
        assert registered_site(host) == registered_site_of(f"https://{host}/") == site


@pytest.mark.parametrize("url", ["", "x", "https:///x", "https://[/", "mailto:a@example.com"])
def test_a_url_without_a_host_has_no_site(url: str) -> None:
    assert registered_site_of(url) == ""


def test_hosts_of_one_site() -> None:
    hosts = ("youtu.be", "WWW.YouTube.com", "m.youtube.com", "youtu.be.", "youtube.com:8443", "m.youtu.be:8443")
    assert {registered_site(host) for host in hosts} == {"youtube.com"}
    assert registered_site("") == ""
    assert {registered_site(host) for host in ("[2001:db8::1]:81", "2001:db8::1", "2001:db8::/64")} == {"2001:db8::/64"}
