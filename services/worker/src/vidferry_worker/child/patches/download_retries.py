"""Changes how yt-dlp's FileDownloader retries and gives up.

By itself, yt-dlp retries three times within milliseconds, and then only reports a sentence. With the patch, it pauses
before each retry, and raises an exception with the cause.
"""

from typing import Any

from yt_dlp.downloader.common import FileDownloader
from yt_dlp.utils import NO_DEFAULT, DownloadError

FIRST_PAUSE = 0.5
"""seconds; it doubles with each try"""


class PartMissing(DownloadError):  # type: ignore[misc]  # yt-dlp publishes no types
    """A fragment or key of a playlist can't be fetched."""


def fragment_pause(n: int) -> float:
    """Seconds before the next try for a fragment or key, after n tries. yt-dlp passes n by name."""
    return float(FIRST_PAUSE * 2**n)


def file_pause(n: int) -> float:
    """Seconds before the next try for a file: after a broken connection it is resumed at once."""
    return fragment_pause(n - 1) if n else 0.0


def install() -> None:
    """Installs the patch, for files, fragments and keys. The YoutubeDL keeps the first exception as `first_failure`."""
    report = FileDownloader.report_retry

    def raise_the_last(
        downloader: Any, error: Exception, count: int, retries: int, frag_index: Any = NO_DEFAULT, fatal: bool = True
    ) -> None:
        if not fatal or count <= retries:
            report(downloader, error, count, retries, frag_index, fatal)
            return
        kind = DownloadError if frag_index is NO_DEFAULT else PartMissing
        failure = kind(f"{error}. Giving up after {retries} retries", (type(error), error, error.__traceback__))
        downloader.ydl.first_failure = getattr(downloader.ydl, "first_failure", None) or failure
        raise failure from error

    FileDownloader.report_retry = raise_the_last
