"""Changes what yt-dlp's GenericIE finds in a page.

By itself, yt-dlp resolves relative URLs without the base element (HTML §4.2.3, yt-dlp#13886), takes each og:video for a
video of its own, numbers titles, and reads neither embedded pages nor links. With the patch, it resolves URLs as a
browser does, takes all og:video for one video, keeps titles, and searches embedded pages of the same site. A page
without a video is a list if it links to media files, or has an ItemList. Of several videos the first one is the page's,
and the others are noted in `other_videos` of the downloader.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from yt_dlp.extractor.generic import GenericIE
from yt_dlp.utils import smuggle_url, unsmuggle_url

from vidferry_worker.child import titles
from vidferry_worker.child.lists.listed_video import find_url, read_video
from vidferry_worker.child.page import context, feeds, frames, links, opengraph, players
from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.extraction_results import complete_result
from vidferry_worker.child.page.html_tags import Tag, find_tags, remove_tags
from vidferry_worker.child.page.sources import FAILURES, FormatCollector, MediaSource, extension_of_response
from vidferry_worker.child.patches import generic_feeds


def install() -> None:
    find_by_itself = GenericIE._extract_embeds  # noqa: SLF001 - what is changed here is yt-dlp's own

    def extract_embeds(self: Any, url: str, webpage: str, *, urlh: Any = None, info_dict: Any = None) -> list[Any]:
        return _find_videos(self, partial(find_by_itself, self), url, webpage, urlh, info_dict or {})

    GenericIE._extract_embeds = extract_embeds  # noqa: SLF001


def _find_videos(
    extractor: Any, find_by_itself: Callable[..., Any], url: str, webpage: str, response: Any, info: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The videos of a page, completed so that they are requested as a browser would."""
    plain, smuggled = unsmuggle_url(url, {})
    outer = context.current_page()
    if outer and response is None:  # a part of the page that another extractor passes on
        page = outer
    else:
        page = Page.parse(response.url if response else plain, webpage, getattr(response, "headers", None), outer)
    with context.reading_page(page):
        found = _PageReader(extractor, find_by_itself, page, smuggled, response, info).find_videos(webpage)
    if not found and not outer:
        found = _explain_no_video(page) or _find_links(extractor, page, webpage)
    known_title = str(info.get("title") or "")
    title = titles.choose_title(known_title, titles.title_from_url(page.url))
    return [complete_result(each, page, known_title, title, info.get("thumbnail")) for each in found]


def _reduce_to_first(downloader: Any, found: list[dict[str, Any]], page: Page) -> list[dict[str, Any]]:
    """The page's video, of all that the page has."""
    videos = [entry for each in found for entry in (_entries_of(each) or [each])]
    others = [{"_type": "url", "url": url} for url in dict.fromkeys(page.other_urls)]
    page.other_urls.clear()
    if videos:
        own = find_url(videos[0], page.url)
        further = (read_video(each, page.url) for each in [*videos[1:], *others])
        downloader.other_videos += [video for video in further if not video.url or video.url != own]
    return videos[:1]


def _entries_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The videos of a player that has several."""
    entries = found.get("entries") if found.get("_type") in {"playlist", "multi_video"} else None
    return [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []


def _find_links(extractor: Any, page: Page, webpage: str) -> list[dict[str, Any]]:
    documents = extractor._yield_json_ld(webpage, None, fatal=False, default={})  # noqa: SLF001
    found = links.find_media_links(page, webpage)
    if not found.links:
        found = links.find_listed_pages(page, documents)
    extractor._downloader.list_is_cut |= found.is_cut  # noqa: SLF001
    return [{"_type": "url", "url": link.url, "title": link.title} for link in found.links]


def _explain_no_video(page: Page) -> list[dict[str, Any]]:
    """The reason for no video: media with another scheme, as a video that will be refused, or the first error."""
    if page.foreign_urls:
        return [{"formats": [{"url": url, "ext": "unknown_video"} for url in page.foreign_urls[:1]]}]
    if page.errors:
        raise page.errors[0]
    return []


class _PageReader:
    """Searches one page for its video, in the order of reliability."""

    def __init__(
        self, extractor: Any, find_by_itself: Callable[..., Any], page: Page, smuggled: Any, response: Any, info: Any
    ) -> None:
        self._extractor, self._find_by_itself, self._page, self._smuggled = extractor, find_by_itself, page, smuggled
        self._response, self._info = response, info
        self._video_id = str(info.get("display_id") or info.get("id") or extractor._generic_id(page.url))  # noqa: SLF001

    def find_videos(self, webpage: str) -> list[dict[str, Any]]:
        feed = feeds.parse_feed(webpage)
        if feed is not None:
            return generic_feeds.find_entries(self._extractor._downloader, feed, self._page.url)  # noqa: SLF001
        return _reduce_to_first(self._extractor._downloader, self._find_players(webpage), self._page)  # noqa: SLF001

    def _find_players(self, webpage: str) -> list[dict[str, Any]]:
        self._page.other_urls.extend(players.find_jwplayer_files(self._page, webpage))  # yt-dlp finds one of several
        described = opengraph.find_media_tags(webpage)
        embedded = frames.find_frames(self._page, webpage)
        if not described and not embedded:
            return self._find_by_ytdlp(webpage)
        leads = [
            tag
            for tag in find_tags({"meta"}, webpage)
            if self._leads_elsewhere(tag, embedded, is_described=bool(described))
        ]
        unsure = sorted([*described, *leads], key=lambda tag: tag.start)
        found = (
            self._find_by_ytdlp(remove_tags(webpage, unsure))
            or self._find_by_opengraph(webpage, embedded)
            or self._search_frames(embedded)
        )
        return found or (self._find_by_ytdlp(remove_tags(webpage, described)) if leads else [])

    def _leads_elsewhere(self, tag: Tag, embedded: list[str], *, is_described: bool) -> bool:
        """Whether a meta element leads to another page, which is less reliable than the rest of this one."""
        if "twitter:player" in tag.attributes.values():
            return is_described or self._page.resolve(tag.attributes.get("content")) in embedded
        return is_described and tag.attributes.get("http-equiv", "").lower() == "refresh"

    def _find_by_ytdlp(self, webpage: str) -> list[dict[str, Any]]:
        """The videos that yt-dlp finds, with all URLs resolved against the base URL."""
        base = smuggle_url(self._page.base_url, self._smuggled) if self._smuggled else self._page.base_url
        found = self._find_by_itself(base, webpage, urlh=self._response, info_dict=self._info)
        return [each for each in found if not (each.get("_type") == "url" and each["url"] == self._page.url)]

    def _find_by_opengraph(self, webpage: str, embedded: list[str]) -> list[dict[str, Any]]:
        """The video that Open Graph describes, with all alternatives. Those that are pages are added to embedded."""
        formats = FormatCollector(self._extractor, self._video_id, self._page)
        for source in opengraph.find_videos(self._page, webpage):
            formats.add_source(source)
        embedded += [each for each in formats.page_urls if self._page.is_same_site(each) and each not in embedded]
        return self._as_video(formats)

    def _search_frames(self, embedded: list[str]) -> list[dict[str, Any]]:
        """The videos of the first embedded page that has any."""
        if self._page.depth < frames.MAX_DEPTH:
            for url in embedded[: frames.MAX_FRAMES]:
                if found := self._search_frame(url):
                    self._page.other_urls.extend(each for each in embedded if frames.is_alike(url, each))
                    return found
        return []

    def _search_frame(self, url: str) -> list[dict[str, Any]]:
        extractor = self._extractor
        try:
            response = extractor._request_webpage(  # noqa: SLF001
                url, self._video_id, "Looking into an embedded page", headers={"Accept-Encoding": "identity"}
            )
        except FAILURES:  # it may not have been the player
            return []
        with response:
            start = response.read(512)
            if extension_of_response(str(response.headers.get("Content-Type") or ""), start) != "html":
                formats = FormatCollector(extractor, self._video_id, self._page)
                formats.add_source(MediaSource(url))
                return self._as_video(formats)
            if not self._page.is_same_site(response.url):
                return []
            webpage = extractor._webpage_read_content(response, url, self._video_id, prefix=start, fatal=False)  # noqa: SLF001
        found: list[dict[str, Any]] = extractor._extract_embeds(  # noqa: SLF001
            response.url, webpage or "", urlh=response, info_dict=self._info
        )
        return found

    def _as_video(self, formats: FormatCollector) -> list[dict[str, Any]]:
        if not formats.formats:
            return []
        video = {"id": self._video_id, "formats": formats.formats}
        self._extractor._extra_manifest_info(video, self._page.url)  # noqa: SLF001 - whether a list is live, and how long
        return [video]
