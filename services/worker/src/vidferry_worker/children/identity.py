"""Which identity a download has: what its child tells, as far as the worker's own knowledge bears that out.

A child may run hostile code once it has read a byte. So the site is always that of the URL that was sent; an id that
counts for the whole site needs an extractor that suits that URL, which the child told before it had any connection; and
the broker must have connected it to that site. What is told beyond that counts for the URL alone.
"""

from collections.abc import Collection
from dataclasses import dataclass

from vidferry_common.contract.identity import Identity, site_of


@dataclass(frozen=True, slots=True)
class Known:
    """The facts of a download that the worker knows by itself."""

    url: str
    """that was sent"""
    extractors: Collection[str]
    """of the site, by their names in small letters; none where the URL suits only the generic one"""
    sites: Collection[str]
    """that the broker has connected the child to"""


def limit_identity(told: Identity, known: Known) -> Identity:
    """The identity that a child tells, or the one that is left of it."""
    site = site_of(known.url)
    was_asked = any(each == site or each.endswith(f".{site}") for each in known.sites)

    def on_site(address: str) -> str:
        return address if was_asked and site_of(address) == site else known.url

    if told.by_url:
        return Identity.of_url(on_site(told.video_id))
    is_sites_own = was_asked and told.domain == site and told.extractor in known.extractors
    page = told.page if is_sites_own and not told.page else on_site(told.page)
    return Identity(told.extractor, site, told.video_id, page=page)
