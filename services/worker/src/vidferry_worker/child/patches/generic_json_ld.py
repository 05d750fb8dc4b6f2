"""The video in a page's JSON-LD, wherever it stands there.

yt-dlp by itself drops a contentUrl that is relative or a list, looks into an @graph only where nothing is beside it,
and of several videos takes the last.
"""

from typing import Any

from yt_dlp.extractor.generic import GenericIE

from vidferry_worker.child.page import context, json_ld


def install() -> None:
    search_by_itself = GenericIE._search_json_ld  # noqa: SLF001 - what is changed here is yt-dlp's own

    def search_json_ld(self: Any, html: str, video_id: str, *args: Any, **options: Any) -> Any:
        page = context.current()
        video = json_ld.find_video(page, self._yield_json_ld(html, video_id, default={})) if page else None
        if video:
            return self._json_ld([video], video_id, fatal=False)
        return search_by_itself(self, html, video_id, *args, **options)

    GenericIE._search_json_ld = search_json_ld  # noqa: SLF001
