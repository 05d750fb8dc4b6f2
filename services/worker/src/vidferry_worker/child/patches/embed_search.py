"""Limits which extractors GenericIE asks for embeds in a page.

By itself, yt-dlp asks all 1,700 extractors, of which 170 can find anything: 30 ms a page, and 6 MB of memory that a
child would otherwise share with the zygote. With the patch, it asks only these 170.
"""

from typing import Any

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.generic import GenericIE

_SEARCHES = ("extract_from_webpage", "_extract_from_webpage", "_extract_embed_urls")
"""methods that an extractor without _EMBED_REGEX overrides if it searches pages"""


def install(ydl: Any) -> None:
    """Installs the patch; ydl has to have all extractors loaded."""
    searching = {key: each for key, each in ydl._ies.items() if searches_pages(each)}  # noqa: SLF001
    extract = GenericIE._extract_embeds  # noqa: SLF001

    def extract_by_some(extractor: Any, *args: Any, **options: Any) -> list[Any]:
        downloader = extractor._downloader  # noqa: SLF001
        everyone, downloader._ies = downloader._ies, searching  # noqa: SLF001
        try:
            return list(extract(extractor, *args, **options))
        finally:
            downloader._ies = everyone  # noqa: SLF001

    GenericIE._extract_embeds = extract_by_some  # noqa: SLF001


def searches_pages(extractor: Any) -> bool:
    """Whether the extractor can find embeds in a page."""
    own = getattr(extractor, "real_class", extractor)
    if own._EMBED_REGEX:  # noqa: SLF001
        return True
    return any(_underlying_function(own, name) is not _underlying_function(InfoExtractor, name) for name in _SEARCHES)


def _underlying_function(owner: Any, name: str) -> Any:
    found = getattr(owner, name)
    return getattr(found, "__func__", found)
