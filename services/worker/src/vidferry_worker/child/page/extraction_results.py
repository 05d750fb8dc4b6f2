"""What yt-dlp found in a page, made to be asked for as the page would: one name, whole addresses, its Referer."""

import re
from typing import Any

from yt_dlp.utils import smuggle_url, unsmuggle_url

from vidferry_worker.child.page.context import Page

_OWN = frozenset({None, "Generic", "HTML5MediaEmbed"})
"""extractors that read addresses from pages; the others know what their sites want"""
_READ = "__page"
"""yt-dlp's own fields that are not kept begin so"""


def settle(found: dict[str, Any], page: Page, told: str, title: str, picture: str | None) -> dict[str, Any]:
    """Changes a result of the page, or of one within it; told is the title that yt-dlp knew, title the one to give."""
    if _READ in found:
        return found
    found[_READ] = page.address
    kind = found.get("_type", "video")
    if kind == "playlist":
        for entry in found["entries"] if isinstance(found.get("entries"), list) else ():
            settle(entry, page, told, title, picture)
        return found
    if told and re.fullmatch(rf"{re.escape(told)} \(\d+\)", str(found.get("title") or "")):
        found["title"] = title
    if kind == "url":
        return found
    if kind == "url_transparent":
        _tell_referer(found, page)
    elif kind == "video":
        found["title"] = found.get("title") or title
        found.setdefault("extractor_key", "Generic")  # whichever extractor has asked for what is in the page
        found.setdefault("extractor", "generic")
        _add_headers(found, page)
    _settle_pictures(found, page, picture)
    return found


def _tell_referer(found: dict[str, Any], page: Page) -> None:
    """Of what the generic extractor shall look at next."""
    address, data = unsmuggle_url(found["url"], {})
    if data.pop("referer", None):
        referer = page.referer_for(address)
        found["url"] = smuggle_url(address, {**data, **({"referer": referer} if referer else {})})


def _add_headers(found: dict[str, Any], page: Page) -> None:
    is_own = found.get("extractor_key") in _OWN
    if isinstance(found.get("url"), str):
        found["url"] = unsmuggle_url(found["url"], {})[0]
    for stream in found.get("formats") or [found]:
        headers = dict(stream.get("http_headers") or found.get("http_headers") or {})
        named = next((name for name in headers if name.lower() == "referer"), None)
        if isinstance(stream.get("url"), str) and (
            is_own if named is None else headers[named] in {page.address, page.base}
        ):
            headers.pop(named, None)
            referer = page.referer_for(stream["url"])
            stream["http_headers"] = {**headers, **({"Referer": referer} if referer else {})}


def _settle_pictures(found: dict[str, Any], page: Page, picture: str | None) -> None:
    """The video's own pictures, else the page's."""
    pictures = found.get("thumbnails") or [{"url": found.get("thumbnail") or picture}]
    whole = [{**each, "url": page.join(each["url"]) or each["url"]} for each in pictures if each.get("url")]
    for each in whole:
        referer = page.referer_for(each["url"])
        if referer:
            each.setdefault("http_headers", {"Referer": referer})
    if whole:
        found.update(thumbnails=whole, thumbnail=whole[-1]["url"])
