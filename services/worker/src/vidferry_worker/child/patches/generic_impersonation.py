"""Has yt-dlp's generic extractor request a page as a browser where the site refuses other programs.

By itself, it advises to try again with `generic:impersonate` if Cloudflare has answered 403. With the patch, it does so
once, and so do all later requests of the download, as the page's media are behind the same guard.
"""

from typing import Any

from yt_dlp.extractor.generic import GenericIE
from yt_dlp.utils import ExtractorError

ADVICE = "generic:impersonate"


def install() -> None:
    extract_by_itself = GenericIE._real_extract  # noqa: SLF001 - what is changed here is yt-dlp's own

    def real_extract(self: Any, url: str) -> Any:
        try:
            return extract_by_itself(self, url)
        except ExtractorError as error:
            if ADVICE not in error.orig_msg or not hasattr(self._downloader, "impersonate_always"):
                raise
        self._downloader.impersonate_always()
        return extract_by_itself(self, url)

    GenericIE._real_extract = real_extract  # noqa: SLF001
