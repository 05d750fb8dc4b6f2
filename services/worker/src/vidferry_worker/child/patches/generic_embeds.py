"""What the generic extractor finds in a page, as a browser would load it.

yt-dlp by itself joins relative addresses to the page's own, whatever its base element says (HTML §4.2.3,
yt-dlp#13886); takes each og:video for a video of its own; numbers titles; and looks into no page within the page.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from yt_dlp.extractor.generic import GenericIE
from yt_dlp.utils import smuggle_url, unsmuggle_url

from vidferry_worker.child import titles
from vidferry_worker.child.page import context, feeds, frames, opengraph
from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.extraction_results import settle
from vidferry_worker.child.page.html_tags import Tag, cut, find_tags
from vidferry_worker.child.page.sources import FAILURES, Formats, Source, kind_of
from vidferry_worker.child.patches import generic_feeds


def install() -> None:
    find_by_itself = GenericIE._extract_embeds  # noqa: SLF001 - what is changed here is yt-dlp's own

    def extract_embeds(self: Any, url: str, webpage: str, *, urlh: Any = None, info_dict: Any = None) -> list[Any]:
        return _find(self, partial(find_by_itself, self), url, webpage, urlh, info_dict or {})

    GenericIE._extract_embeds = extract_embeds  # noqa: SLF001


def _find(
    extractor: Any, find_by_itself: Callable[..., Any], url: str, webpage: str, response: Any, info: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The videos of a page, made ready to be asked for as the page would."""
    plain, smuggled = unsmuggle_url(url, {})
    outer = context.current()
    if outer and response is None:  # a part of the page, which another extractor has unpacked
        page = outer
    else:
        page = Page.read(response.url if response else plain, webpage, getattr(response, "headers", None), outer)
    with context.reading(page):
        found = _Reader(extractor, find_by_itself, page, smuggled, response, info).find(webpage)
    if not found and not outer:
        found = _find_nothing(page)
    told = str(info.get("title") or "")
    title = titles.choose(told, titles.of_address(page.address))
    return [settle(each, page, told, title, info.get("thumbnail")) for each in found]


def _find_nothing(page: Page) -> list[dict[str, Any]]:
    """Why there is no video: media that can't be had, as a video that will be refused, or the first error."""
    if page.foreign:
        return [{"formats": [{"url": address, "ext": "unknown_video"} for address in page.foreign[:1]]}]
    if page.errors:
        raise page.errors[0]
    return []


class _Reader:
    """Looks for the video of one page, where it is surest to be first."""

    def __init__(
        self, extractor: Any, find_by_itself: Callable[..., Any], page: Page, smuggled: Any, response: Any, info: Any
    ) -> None:
        self._extractor, self._find_by_itself, self._page, self._smuggled = extractor, find_by_itself, page, smuggled
        self._response, self._info = response, info
        self._video_id = str(info.get("display_id") or info.get("id") or extractor._generic_id(page.address))  # noqa: SLF001

    def find(self, webpage: str) -> list[dict[str, Any]]:
        feed = feeds.parse(webpage)
        if feed is not None:
            return generic_feeds.find_entries(feed, self._page.address)
        described = opengraph.find_tags_of_media(webpage)
        embedded = frames.find_frames(self._page, webpage)
        if not described and not embedded:
            return self._by_itself(webpage)
        leads = [
            tag for tag in find_tags({"meta"}, webpage) if self._is_lead(tag, embedded, is_described=bool(described))
        ]
        unsure = sorted([*described, *leads], key=lambda tag: tag.start)
        found = (
            self._by_itself(cut(webpage, unsure)) or self._describe(webpage, embedded) or self._look_within(embedded)
        )
        return found or (self._by_itself(cut(webpage, described)) if leads else [])

    def _is_lead(self, tag: Tag, embedded: list[str], *, is_described: bool) -> bool:
        """Whether a meta element leads to another page that is less sure than what there is else."""
        if "twitter:player" in tag.attributes.values():
            return is_described or self._page.join(tag.attributes.get("content")) in embedded
        return is_described and tag.attributes.get("http-equiv", "").lower() == "refresh"

    def _by_itself(self, webpage: str) -> list[dict[str, Any]]:
        """What yt-dlp finds, all addresses joined to the base."""
        base = smuggle_url(self._page.base, self._smuggled) if self._smuggled else self._page.base
        found = self._find_by_itself(base, webpage, urlh=self._response, info_dict=self._info)
        return [each for each in found if not (each.get("_type") == "url" and each["url"] == self._page.address)]

    def _describe(self, webpage: str, embedded: list[str]) -> list[dict[str, Any]]:
        """The video that Open Graph describes, in all its forms. One that turns out to be a page joins the embedded."""
        formats = Formats(self._extractor, self._video_id, self._page)
        for source in opengraph.find_videos(self._page, webpage):
            formats.add(source)
        embedded += [each for each in formats.pages if self._page.is_same_site(each) and each not in embedded]
        return self._as_video(formats)

    def _look_within(self, embedded: list[str]) -> list[dict[str, Any]]:
        """What the first page within this one holds that holds something."""
        if self._page.depth < frames.DEPTH:
            for address in embedded[: frames.MOST]:
                if found := self._look_into(address):
                    return found
        return []

    def _look_into(self, address: str) -> list[dict[str, Any]]:
        extractor = self._extractor
        try:
            response = extractor._request_webpage(  # noqa: SLF001
                address, self._video_id, "Looking into an embedded page", headers={"Accept-Encoding": "identity"}
            )
        except FAILURES:  # it need not have been the player
            return []
        with response:
            start = response.read(512)
            if kind_of(str(response.headers.get("Content-Type") or ""), start) != "html":
                formats = Formats(extractor, self._video_id, self._page)
                formats.add(Source(address))
                return self._as_video(formats)
            if not self._page.is_same_site(response.url):
                return []
            webpage = extractor._webpage_read_content(response, address, self._video_id, prefix=start, fatal=False)  # noqa: SLF001
        found: list[dict[str, Any]] = extractor._extract_embeds(  # noqa: SLF001
            response.url, webpage or "", urlh=response, info_dict=self._info
        )
        return found

    def _as_video(self, formats: Formats) -> list[dict[str, Any]]:
        if not formats.found:
            return []
        video = {"id": self._video_id, "formats": formats.found}
        self._extractor._extra_manifest_info(video, self._page.address)  # noqa: SLF001 - whether a list is live, and how long
        return [video]
