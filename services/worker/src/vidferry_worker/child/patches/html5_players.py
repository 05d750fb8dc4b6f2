"""Replaces yt-dlp's HTML5MediaEmbedIE, which finds the media elements of a page.

By itself, yt-dlp decides by the extension of `video.php?id=3` or `clip.mp4#t=0.001`, believes a media type of MP4 for a
playlist, ignores most attributes for the size of a source, and gives up on a page whose player has subtitles but gets
its source from a script. With the patch, child/page reads the first media element that can be played, and notes the
URLs of the others without requesting them.
"""

from collections.abc import Iterator
from typing import Any

from yt_dlp.extractor.genericembeds import HTML5MediaEmbedIE

from vidferry_worker.child import page_limits
from vidferry_worker.child.page import context
from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.players import find_players
from vidferry_worker.child.page.sources import FormatCollector


def install() -> None:
    HTML5MediaEmbedIE._extract_from_webpage = _extract_from_webpage  # noqa: SLF001 - what is changed here is yt-dlp's own


def _extract_from_webpage(self: Any, url: str, webpage: str) -> Iterator[dict[str, Any]]:
    page_limits.check_players(webpage)
    page = context.current_page() or Page.parse(url, webpage)
    video_id = self._generic_id(page.url)
    players = iter(find_players(page, webpage))
    for player in players:
        formats = FormatCollector(self, video_id, page)
        for source in player.sources:
            formats.add_source(source)
        if formats.formats:
            yield {"id": video_id, "formats": formats.formats, "thumbnail": player.poster}
            page.other_urls.extend(other.sources[0].url for other in players)
            return
