"""The limits that a worker picks downloads by: those of the settings, and those of the sites file."""

from dataclasses import replace

from vidferry_common.store import Limits, SiteLimits, describe_sites
from vidferry_worker.sites.file import SitesFile
from vidferry_worker.sites.rules import SiteRule, SiteRules


class PickLimits:
    """The limits that are in force. They are made anew where the sites file has changed, not for each pick."""

    def __init__(self, settings: Limits, sites: SitesFile) -> None:
        self._settings, self._sites = settings, sites
        self._rules = sites.rules
        self._limits = limits_with_rules(settings, sites.rules)

    @property
    def current(self) -> Limits:
        rules = self._sites.rules
        if rules is not self._rules:
            self._rules, self._limits = rules, limits_with_rules(self._settings, rules)
        return self._limits


def limits_with_rules(limits: Limits, rules: SiteRules) -> Limits:
    """The limits of the settings, with what the rules say of sites."""
    default = rules.default
    return replace(
        limits,
        site_limit=default.downloads or limits.site_limit,
        starts=default.starts_per_minute,
        way=default.way,
        sites=describe_sites({site: _site_limits(rule) for site, rule in rules.own.items() if _differs(rule, default)}),
    )


def _differs(rule: SiteRule, default: SiteRule) -> bool:
    return _site_limits(rule) != _site_limits(default)


def _site_limits(rule: SiteRule) -> SiteLimits:
    return SiteLimits(rule.downloads, rule.starts_per_minute, rule.way)
