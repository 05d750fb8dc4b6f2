"""The Referer of what a page embeds: for lists as for files, and after a redirect.

yt-dlp by itself sends it with an MP4 of the page; not with a list of HLS or DASH, nor with what is found by JSON-LD
where that is redirected or is a list (youtube-dl#20217). And it sends the whole address to other sites, where browsers
send the origin alone (W3C Referrer Policy §3.8).
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
        return _tell_page(create_by_itself(self, *args, **options))

    def real_extract(self: Any, url: str) -> Any:
        return _extract(partial(extract_by_itself, self), url)

    InfoExtractor._create_request = create_request  # noqa: SLF001
    GenericIE._real_extract = real_extract  # noqa: SLF001


def _tell_page(request: Any) -> Any:
    """Gives a request of an extractor, while a page is read, that page's Referer, unless it has one."""
    page = context.current()
    if page and "Referer" not in request.headers:
        referer = page.referer_for(request.url)
        if referer:
            request.headers["Referer"] = referer
    return request


def _extract(extract_by_itself: Callable[[str], Any], url: str) -> Any:
    """What is at an address, with the Referer of the page that has led to it, where yt-dlp hands that on."""
    referer = unsmuggle_url(url, {})[1].get("referer")
    if not referer:
        return extract_by_itself(url)
    with context.reading(context.sender(referer)):
        found = extract_by_itself(url)
    if found.get("_type") == "url":
        address, data = unsmuggle_url(found["url"], {})
        return {**found, "url": smuggle_url(address, {**data, "referer": referer, "to_generic": True})}
    if found.get("_type", "video") == "video" and not found.get("http_headers"):
        found["http_headers"] = {"Referer": referer}
    return found
