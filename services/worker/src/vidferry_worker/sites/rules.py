"""How each site is treated. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vidferry_common.origins import registered_site
from vidferry_worker.network.dial import Dial, dial_directly
from vidferry_worker.network.proxy import Proxy


@dataclass(frozen=True, slots=True)
class SiteRule:
    """How one site is treated: the values of its entry, or else of the default section, or else of the settings."""

    downloads: int | None = None
    """that run at the same time, over all workers; None: no limit besides the shares"""
    starts_per_minute: int | None = None
    """downloads that begin within a minute, over all workers; None: no limit"""
    fragments: int | None = None
    """that one download fetches at the same time; None: one"""
    sleep: float = 0.0
    """seconds between two requests of one child until it has found the video; 0: none"""
    proxy: Proxy | None = None
    """None: directly"""
    user_agent: str | None = None
    """None: yt-dlp's"""
    impersonate: str | None = None
    """the browser to impersonate, as yt-dlp names it; None: none"""

    @property
    def way(self) -> str:
        """The name of that way out in Redis; empty: directly."""
        return self.proxy.way if self.proxy else ""

    @property
    def sent_user_agent(self) -> str:
        """The user agent of all requests; empty: yt-dlp's, or the impersonated browser's own."""
        return "" if self.impersonate else self.user_agent or ""

    @property
    def dial(self) -> Dial:
        """The way out of everything that a child of this site requests."""
        return self.proxy.dial if self.proxy else dial_directly


@dataclass(frozen=True, slots=True)
class SiteRules:
    """The rules of all sites."""

    default: SiteRule
    """of the sites that have none of their own"""
    own: Mapping[str, SiteRule] = field(default_factory=dict)
    """by site, as registered_site() names it"""

    def of(self, site: str) -> SiteRule:
        """The rule of a site: a host with or without a port, or what site_of() or registered_domain() tells."""
        return self.own.get(registered_site(site), self.default)
