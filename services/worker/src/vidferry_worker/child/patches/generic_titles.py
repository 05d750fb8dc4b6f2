"""Changes the titles of yt-dlp's GenericIE.

By itself, yt-dlp calls a playlist "index", cuts a folder's name at its last dot, ignores Content-Disposition, and calls
a page without a title "video". With the patch, child/titles.py chooses the title.
"""

from collections.abc import Mapping
from typing import Any

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.generic import GenericIE
from yt_dlp.networking.common import Request
from yt_dlp.utils import unsmuggle_url

from vidferry_worker.child import titles
from vidferry_worker.child.page.titles import find_titles


def install() -> None:
    extract_by_itself = GenericIE._real_extract  # noqa: SLF001 - what is changed here is yt-dlp's own

    def real_extract(self: Any, url: str) -> Any:
        return _add_server_title(
            extract_by_itself(self, url), unsmuggle_url(url)[0], getattr(self._downloader, "headers_by_url", {})
        )

    InfoExtractor._generic_title = _generic_title  # noqa: SLF001
    GenericIE._real_extract = real_extract  # noqa: SLF001


def _generic_title(self: Any, url: str = "", webpage: str = "", *, default: str | None = None) -> str | None:  # noqa: ARG001
    names = find_titles(webpage) if webpage else ()
    return (
        titles.choose_title(*names, titles.title_from_url(url))
        or default
        or (titles.host_from_url(url) if url else None)
    )


def _add_server_title(found: dict[str, Any], url: str, headers_by_url: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a file or playlist without a page the name in its Content-Disposition."""
    if found.get("_type", "video") == "video" and found.get("title") == titles.title_from_url(url):
        headers = headers_by_url.get(url) or headers_by_url.get(Request(url).url) or {}
        found["title"] = titles.choose_title(
            titles.title_from_disposition(headers.get("Content-Disposition") or ""), found["title"]
        )
    return found
