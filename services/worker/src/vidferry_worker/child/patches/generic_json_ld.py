"""Changes the search for JSON-LD in yt-dlp's GenericIE.

By itself, yt-dlp drops a contentUrl that is relative or a list, reads @graph only if nothing is beside it, and takes
the last of several videos. With the patch, it takes the first video anywhere in the document, and notes the URLs of the
others.
"""

from itertools import islice
from typing import Any

from yt_dlp.extractor.generic import GenericIE

from vidferry_worker.child.page import context, json_ld
from vidferry_worker.child.page_limits import MAX_VIDEOS


def install() -> None:
    search_by_itself = GenericIE._search_json_ld  # noqa: SLF001 - what is changed here is yt-dlp's own

    def search_json_ld(self: Any, html: str, video_id: str, *args: Any, **options: Any) -> Any:
        page = context.current_page()
        documents = self._yield_json_ld(html, video_id, default={})
        videos = json_ld.find_videos(page, documents) if page else iter(())
        if page and (video := next(videos, None)):
            page.other_urls.extend(other["contentUrl"] for other in islice(videos, MAX_VIDEOS))
            self._downloader.list_is_cut |= next(videos, None) is not None
            return self._json_ld([video], video_id, fatal=False)
        return search_by_itself(self, html, video_id, *args, **options)

    GenericIE._search_json_ld = search_json_ld  # noqa: SLF001
