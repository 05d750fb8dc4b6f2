"""Checks the content of fragments that yt-dlp's FragmentFD fetches.

By itself, yt-dlp appends any body with status 200: a page that asks to wait leaves a gap that goes unnoticed. With the
patch, an empty body or a text is requested again, and finally fails the download with `origin_error`.
"""

import re
from pathlib import Path
from typing import Any

from yt_dlp.downloader.fragment import FragmentFD
from yt_dlp.networking.exceptions import IncompleteRead
from yt_dlp.utils import DownloadError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import content_sniff

_NOTHING = "Did not get any data blocks"
"""HttpFD's message"""
_LISTS = re.compile(rb"#EXTM3U|#EXT-X-|ffconcat|\[playlist\]|<MPD", re.IGNORECASE)
_TEXTS = frozenset({"vtt", "ttml", "srt", "json", "dfxp"})
"""extensions of streams that are text"""


class NotMediaError(IncompleteRead):  # type: ignore[misc]  # yt-dlp publishes no types
    """The body of a fragment is not media; yt-dlp retries after an exception of this type."""

    def __init__(self, msg: str) -> None:
        super().__init__(partial=0)
        self.msg = msg
        self.args = (msg,)


def refuse_playlist(path: Path) -> None:
    """JobFailure where the body is a playlist: a retry would not help."""
    with path.open("rb") as file:
        if _LISTS.match(file.read(content_sniff.HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")):
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "a list came for a fragment")


def install() -> None:
    """Installs the patch, for each fragment."""
    fetch = FragmentFD._download_fragment  # noqa: SLF001 - it has no hook for what came

    def fetch_media(
        downloader: Any, ctx: dict[str, Any], url: str, info: dict[str, Any], *args: Any, **how: Any
    ) -> Any:
        try:
            fetched = fetch(downloader, ctx, url, info, *args, **how)
        except DownloadError as error:
            if _NOTHING in str(error):
                raise NotMediaError("an empty body came for a fragment") from error
            raise
        path = Path(ctx.get("fragment_filename_sanitized") or "")
        if info.get("ext") not in _TEXTS and path.is_file() and content_sniff.is_text_file(path):
            refuse_playlist(path)
            path.unlink()
            raise NotMediaError("a page, or another text, came for a fragment")
        return fetched

    FragmentFD._download_fragment = fetch_media  # noqa: SLF001
