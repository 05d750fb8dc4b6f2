"""Which rule is whose."""

import pytest

from vidferry_worker.network.dial import dial_directly
from vidferry_worker.network.proxy import Proxy
from vidferry_worker.sites.rules import SiteRule, SiteRules

OWN, DEFAULT = SiteRule(sleep=1.0), SiteRule(fragments=6)
RULES = SiteRules(
    DEFAULT, {"example.co.uk": OWN, "youtube.com": OWN, "192.0.2.1": OWN, "2001:db8::/64": OWN, "localhost": OWN}
)


@pytest.mark.parametrize(
    "site",
    ["example.co.uk", "a.b.example.co.uk", "WWW.example.co.uk.", "example.co.uk:8443", "youtu.be", "www.youtu.be",
     "music.youtube.com", "192.0.2.1", "192.0.2.1:8080", "2001:db8::1", "[2001:db8::7]:81", "2001:db8::/64",
     "localhost:8000"],
)  # fmt: skip
def test_an_entry_is_for_a_whole_site(site: str) -> None:
    assert RULES.of(site) is OWN


@pytest.mark.parametrize(
    "site", ["", "co.uk", "other.co.uk", "notexample.co.uk", "192.0.2.11", "2001:db8:0:1::1", "::1"]
)
def test_other_sites_have_the_default(site: str) -> None:
    assert RULES.of(site) is DEFAULT


def test_the_way_out() -> None:
    proxy = Proxy("http", "proxy.example", 3128, "somebody", "secret")
    assert SiteRule().dial is dial_directly
    assert SiteRule(proxy=proxy).dial == proxy.dial
    assert "secret" not in repr(SiteRule(proxy=proxy))
    assert "somebody" not in repr(SiteRule(proxy=proxy))


def test_a_browser_to_impersonate_has_its_own_user_agent() -> None:
    assert SiteRule(user_agent="Mine/1.0").sent_user_agent == "Mine/1.0"
    assert SiteRule(user_agent="Mine/1.0", impersonate="chrome").sent_user_agent == ""
