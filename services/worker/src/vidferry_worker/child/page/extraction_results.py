"""Completes what yt-dlp found in a page so that it is requested as a browser would: title, absolute URLs, Referer."""

import re
from typing import Any

from yt_dlp.utils import smuggle_url, unsmuggle_url

from vidferry_worker.child.page.context import Page

_GENERIC_EXTRACTORS = frozenset({None, "Generic", "HTML5MediaEmbed"})
"""extractors that only read URLs from pages; others know which headers their sites need"""
_COMPLETED = "__page"
"""Marks a completed result. yt-dlp drops fields with this prefix."""


def complete_result(
    found: dict[str, Any], page: Page, known_title: str, title: str, thumbnail: str | None
) -> dict[str, Any]:
    """Completes a result of the page or of an embedded one.

    known_title is yt-dlp's title of the page, title a better one.
    """
    if _COMPLETED in found:
        return found
    found[_COMPLETED] = page.url
    kind = found.get("_type", "video")
    if kind == "playlist":
        for entry in found["entries"] if isinstance(found.get("entries"), list) else ():
            complete_result(entry, page, known_title, title, thumbnail)
        return found
    if known_title and re.fullmatch(rf"{re.escape(known_title)} \(\d+\)", str(found.get("title") or "")):
        found["title"] = title
    if kind == "url":
        return found
    if kind == "url_transparent":
        _pass_referer_on(found, page)
    elif kind == "video":
        found["title"] = found.get("title") or title
        found.setdefault("extractor_key", "Generic")  # whichever extractor asked for the embedded media
        found.setdefault("extractor", "generic")
        _add_headers(found, page)
    _complete_thumbnails(found, page, thumbnail)
    return found


def _pass_referer_on(found: dict[str, Any], page: Page) -> None:
    """Sets the Referer for a URL that the generic extractor reads next."""
    url, data = unsmuggle_url(found["url"], {})
    if data.pop("referer", None):
        referer = page.referer_for(url)
        found["url"] = smuggle_url(url, {**data, **({"referer": referer} if referer else {})})


def _add_headers(found: dict[str, Any], page: Page) -> None:
    is_own = found.get("extractor_key") in _GENERIC_EXTRACTORS
    if isinstance(found.get("url"), str):
        found["url"] = unsmuggle_url(found["url"], {})[0]
    for stream in found.get("formats") or [found]:
        headers = dict(stream.get("http_headers") or found.get("http_headers") or {})
        named = next((name for name in headers if name.lower() == "referer"), None)
        if isinstance(stream.get("url"), str) and (
            is_own if named is None else headers[named] in {page.url, page.base_url}
        ):
            headers.pop(named, None)
            referer = page.referer_for(stream["url"])
            stream["http_headers"] = {**headers, **({"Referer": referer} if referer else {})}


def _complete_thumbnails(found: dict[str, Any], page: Page, thumbnail: str | None) -> None:
    """Resolves the URLs of the video's thumbnails, else takes the page's image."""
    thumbnails = found.get("thumbnails") or [{"url": found.get("thumbnail") or thumbnail}]
    whole = [{**each, "url": page.resolve(each["url"]) or each["url"]} for each in thumbnails if each.get("url")]
    for each in whole:
        referer = page.referer_for(each["url"])
        if referer:
            each.setdefault("http_headers", {"Referer": referer})
    if whole:
        found.update(thumbnails=whole, thumbnail=whole[-1]["url"])
