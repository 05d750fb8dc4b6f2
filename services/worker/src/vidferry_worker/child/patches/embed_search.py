"""In a page only the extractors that look for players of their site in others' pages are asked.

yt-dlp asks all 1,700, of which 170 ever answer: asking them costs a page 30 ms, and its child 6 MB of memory that it
would share with the zygote.
"""

from typing import Any

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.generic import GenericIE

_SEARCHES = ("extract_from_webpage", "_extract_from_webpage", "_extract_embed_urls")
"""What an extractor that looks into pages has of its own, where it has no _EMBED_REGEX"""


def install(ydl: Any) -> None:
    """From here on, in pages that yt-dlp has no extractor for; ydl is one that has all."""
    searching = {key: each for key, each in ydl._ies.items() if searches(each)}  # noqa: SLF001
    extract = GenericIE._extract_embeds  # noqa: SLF001

    def extract_by_some(extractor: Any, *args: Any, **options: Any) -> list[Any]:
        downloader = extractor._downloader  # noqa: SLF001
        everyone, downloader._ies = downloader._ies, searching  # noqa: SLF001
        try:
            return list(extract(extractor, *args, **options))
        finally:
            downloader._ies = everyone  # noqa: SLF001

    GenericIE._extract_embeds = extract_by_some  # noqa: SLF001


def searches(extractor: Any) -> bool:
    """Whether it can find anything in a page."""
    own = getattr(extractor, "real_class", extractor)
    if own._EMBED_REGEX:  # noqa: SLF001
        return True
    return any(_function(own, name) is not _function(InfoExtractor, name) for name in _SEARCHES)


def _function(owner: Any, name: str) -> Any:
    found = getattr(owner, name)
    return getattr(found, "__func__", found)
