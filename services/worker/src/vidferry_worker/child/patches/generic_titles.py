"""What a video of the generic extractor is called.

yt-dlp by itself calls a list of segments "index", cuts what follows the last dot off a folder's name, does not read
Content-Disposition, and calls a page without a title "video".
"""

from collections.abc import Mapping
from typing import Any

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.generic import GenericIE
from yt_dlp.networking.common import Request
from yt_dlp.utils import unsmuggle_url

from vidferry_worker.child import titles
from vidferry_worker.child.page.titles import find_names


def install() -> None:
    extract_by_itself = GenericIE._real_extract  # noqa: SLF001 - what is changed here is yt-dlp's own

    def real_extract(self: Any, url: str) -> Any:
        return _name(extract_by_itself(self, url), unsmuggle_url(url)[0], getattr(self._downloader, "headers_of", {}))

    InfoExtractor._generic_title = _generic_title  # noqa: SLF001
    GenericIE._real_extract = real_extract  # noqa: SLF001


def _generic_title(self: Any, url: str = "", webpage: str = "", *, default: str | None = None) -> str | None:  # noqa: ARG001
    names = find_names(webpage) if webpage else ()
    return titles.choose(*names, titles.of_address(url)) or default or (titles.host_of(url) if url else None)


def _name(found: dict[str, Any], address: str, headers_of: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a file or a list that has no page the name that its server gives it."""
    if found.get("_type", "video") == "video" and found.get("title") == titles.of_address(address):
        headers = headers_of.get(address) or headers_of.get(Request(address).url) or {}
        found["title"] = titles.choose(titles.of_disposition(headers.get("Content-Disposition") or ""), found["title"])
    return found
