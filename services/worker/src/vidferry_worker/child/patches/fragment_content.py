"""A fragment that is a page, or nothing, is asked for again, and fails the download as its origin's error.

By itself yt-dlp puts whatever came for a segment into the file: a page that asks to wait leaves a gap that nobody is
told of. It knows no text to be wrong but by its status.
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
"""as HttpFD says it"""
_LISTS = re.compile(rb"#EXTM3U|#EXT-X-|ffconcat|\[playlist\]|<MPD", re.IGNORECASE)
_TEXTS = frozenset({"vtt", "ttml", "srt", "json", "dfxp"})
"""streams that are texts by right"""


class NoMedia(IncompleteRead):  # type: ignore[misc]  # yt-dlp publishes no types
    """The bytes that came for a fragment are none: a failure of the kind that yt-dlp tries again."""

    def __init__(self, msg: str) -> None:
        super().__init__(partial=0)
        self.msg = msg
        self.args = (msg,)


def check_list(path: Path) -> None:
    """JobFailure where it is a list of other media: asking again does not change that."""
    with path.open("rb") as file:
        if _LISTS.match(file.read(content_sniff.HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")):
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "a list came for a fragment")


def install() -> None:
    """From here on, for each fragment as it comes."""
    fetch = FragmentFD._download_fragment  # noqa: SLF001 - it has no hook for what came

    def fetch_media(
        downloader: Any, ctx: dict[str, Any], url: str, info: dict[str, Any], *args: Any, **how: Any
    ) -> Any:
        try:
            fetched = fetch(downloader, ctx, url, info, *args, **how)
        except DownloadError as error:
            if _NOTHING in str(error):
                raise NoMedia("an empty body came for a fragment") from error
            raise
        path = Path(ctx.get("fragment_filename_sanitized") or "")
        if info.get("ext") not in _TEXTS and path.is_file() and content_sniff.is_disguised(path):
            check_list(path)
            path.unlink()
            raise NoMedia("a page, or another text, came for a fragment")
        return fetched

    FragmentFD._download_fragment = fetch_media  # noqa: SLF001
