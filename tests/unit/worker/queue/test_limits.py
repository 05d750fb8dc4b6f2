"""What the sites file says of a site's downloads reaches the pick, and nothing else of the file does."""

from dataclasses import replace
from pathlib import Path

from vidferry_common.store import Limits, SiteLimits, describe_sites
from vidferry_worker.network.proxy import Proxy
from vidferry_worker.queue.limits import PickLimits, limits_with_rules
from vidferry_worker.sites.file import SitesFile
from vidferry_worker.sites.rules import SiteRule, SiteRules

SETTINGS = Limits(4, 0.5, 3, 0.75)
PROXY = Proxy("http", "proxy.example", 3128, "user", "SECRET")


def test_without_a_file_the_settings_hold() -> None:
    assert limits_with_rules(SETTINGS, SiteRules(SiteRule(fragments=6))) == SETTINGS


def test_the_default_section_is_for_all_sites() -> None:
    default = SiteRule(downloads=2, starts_per_minute=6, proxy=PROXY)

    assert limits_with_rules(SETTINGS, SiteRules(default)) == replace(SETTINGS, site_limit=2, starts=6, way=PROXY.way)


def test_sites_that_differ_are_told_and_no_others() -> None:
    default = SiteRule()
    own = {
        "a.example": SiteRule(downloads=1),
        "b.example": SiteRule(starts_per_minute=10),
        "c.example": SiteRule(proxy=PROXY),
        "d.example": SiteRule(fragments=1, sleep=2.0),
    }

    told = {
        "a.example": SiteLimits(1, None, ""),
        "b.example": SiteLimits(None, 10, ""),
        "c.example": SiteLimits(None, None, PROXY.way),
    }
    assert limits_with_rules(SETTINGS, SiteRules(default, own)).sites == describe_sites(told)


def test_limits_are_made_anew_when_the_file_changes_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_text('["a.example"]\ndownloads = 1\n')
    sites = SitesFile(path, SiteRule())
    limits = PickLimits(SETTINGS, sites)
    before = limits.current
    sites.refresh()
    assert limits.current is before

    path.write_text('["b.example"]\ndownloads = 12\n')
    sites.refresh()
    assert limits.current == limits_with_rules(SETTINGS, sites.rules) != before


def test_a_way_names_a_proxy_and_tells_nothing_of_it() -> None:
    assert PROXY.way == replace(PROXY, username="", password="").way != replace(PROXY, port=1080).way
    assert not any(part in PROXY.way for part in ("proxy", "user", "SECRET"))
