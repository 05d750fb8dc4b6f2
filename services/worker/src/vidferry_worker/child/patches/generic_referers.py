"""Changes the Referer that yt-dlp sends for the media of a page.

By itself, yt-dlp sends it for an MP4, but not for HLS or DASH, nor after some redirects (youtube-dl#20217). And it
sends the whole URL to other sites, where browsers send only the origin (W3C Referrer Policy §3.8). With the patch,
every request for a page's media has the Referer that a browser would send.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.generic import GenericIE
from yt_dlp.utils import smuggle_url, unsmuggle_url

from vidferry_worker.child.page import context


def install() -> None:
    create_by_itself = InfoExtractor._create_request  # noqa: SLF001 - what is changed here is yt-dlp's own
    extract_by_itself = GenericIE._real_extract  # noqa: SLF001

    def create_request(self: Any, *args: Any, **options: Any) -> Any:
        return _add_page_referer(create_by_itself(self, *args, **options))

    def real_extract(self: Any, url: str) -> Any:
        return _extract_with_referer(partial(extract_by_itself, self), url)

    InfoExtractor._create_request = create_request  # noqa: SLF001
    GenericIE._real_extract = real_extract  # noqa: SLF001


def _add_page_referer(request: Any) -> Any:
    """Adds the Referer of the current page to an extractor's request that has none."""
    page = context.current_page()
    if page and "Referer" not in request.headers:
        referer = page.referer_for(request.url)
        if referer:
            request.headers["Referer"] = referer
    return request


def _extract_with_referer(extract_by_itself: Callable[[str], Any], url: str) -> Any:
    """Extracts a URL with the Referer that yt-dlp smuggles in it."""
    referer = unsmuggle_url(url, {})[1].get("referer")
    if not referer:
        return extract_by_itself(url)
    with context.reading_page(context.page_of_referer(referer)):
        found = extract_by_itself(url)
    if found.get("_type") == "url":
        address, data = unsmuggle_url(found["url"], {})
        return {**found, "url": smuggle_url(address, {**data, "referer": referer, "to_generic": True})}
    if found.get("_type", "video") == "video" and not found.get("http_headers"):
        found["http_headers"] = {"Referer": referer}
    return found
