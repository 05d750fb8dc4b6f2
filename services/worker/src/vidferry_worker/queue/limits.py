"""The limits that a worker picks downloads by: those of the settings, and those of the sites file."""

from dataclasses import replace

from vidferry_common.store import Limits, SiteLimits
from vidferry_worker.sites.rules import SiteRule, SiteRules


def limits_with_rules(limits: Limits, rules: SiteRules) -> Limits:
    """The limits of the settings, with what the rules say of sites."""
    default = rules.default
    return replace(
        limits,
        site_limit=default.downloads or limits.site_limit,
        starts=default.starts_per_minute,
        way=default.way,
        sites={site: _site_limits(rule) for site, rule in rules.own.items() if _differs(rule, default)},
    )


def _differs(rule: SiteRule, default: SiteRule) -> bool:
    return _site_limits(rule) != _site_limits(default)


def _site_limits(rule: SiteRule) -> SiteLimits:
    return SiteLimits(rule.downloads, rule.starts_per_minute, rule.way)
