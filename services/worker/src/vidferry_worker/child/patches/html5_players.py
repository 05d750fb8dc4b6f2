"""The first media element of a page that has something to play, its sources as formats of one video.

yt-dlp by itself lets the ending of `video.php?id=3` or of `clip.mp4#t=0.001` decide, believes a type that says MP4 of a
list, knows none of the attributes by which most players tell a source's size, and gives up on a page whose player gets
its source from a script, if only it has subtitles.
"""

from collections.abc import Iterator
from typing import Any

from yt_dlp.extractor.genericembeds import HTML5MediaEmbedIE

from vidferry_worker.child import page_limits
from vidferry_worker.child.page import context
from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.players import find_players
from vidferry_worker.child.page.sources import Formats


def install() -> None:
    HTML5MediaEmbedIE._extract_from_webpage = _extract_from_webpage  # noqa: SLF001 - what is changed here is yt-dlp's own


def _extract_from_webpage(self: Any, url: str, webpage: str) -> Iterator[dict[str, Any]]:
    page_limits.check_players(webpage)
    page = context.current() or Page.read(url, webpage)
    video_id = self._generic_id(page.address)
    for player in find_players(page, webpage):
        formats = Formats(self, video_id, page)
        for source in player.sources:
            formats.add(source)
        if formats.found:
            yield {"id": video_id, "formats": formats.found, "thumbnail": player.poster}
            return
