"""Which identity a download has: what its child reports, as far as the worker can confirm it.

Once a child has read a byte from the network, it may run hostile code. So the site is always that of the URL that the
caller sent. An id is accepted for the whole site only if its extractor suits that URL and was named before the child's
first connection, and if the broker has connected the child to that site. Any other identity counts for the URL alone.
"""

from collections.abc import Collection
from dataclasses import dataclass

from vidferry_common.contract.identity import Identity, site_of


@dataclass(frozen=True, slots=True)
class TrustedFacts:
    """The facts of a download that the worker knows without trusting its child."""

    url: str
    """that the caller sent"""
    extractors: Collection[str]
    """that suit the URL, by their names in lower case; none where only the generic one does"""
    sites: Collection[str]
    """that the broker has connected the child to"""


def limit_identity(claimed: Identity, facts: TrustedFacts) -> Identity:
    """The identity that a child claims, or what the worker accepts of it."""
    site = site_of(facts.url)
    was_reached = any(reached == site or reached.endswith(f".{site}") for reached in facts.sites)

    def url_on_site(url: str) -> str:
        return url if was_reached and site_of(url) == site else facts.url

    if claimed.by_url:
        return Identity.of_url(url_on_site(claimed.video_id))
    is_sites_own = was_reached and claimed.domain == site and claimed.extractor in facts.extractors
    page = claimed.page if is_sites_own and not claimed.page else url_on_site(claimed.page)
    return Identity(claimed.extractor, site, claimed.video_id, page=page)
