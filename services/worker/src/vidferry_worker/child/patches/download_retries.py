"""What yt-dlp gives up on is raised with its cause, and it pauses before it asks again.

By itself it tells no more than a sentence, and asks for the same three times within some milliseconds.
"""

from typing import Any

from yt_dlp.downloader.common import FileDownloader
from yt_dlp.utils import NO_DEFAULT, DownloadError

FIRST_PAUSE = 0.5
"""seconds; it doubles with each try"""


class PartMissing(DownloadError):  # type: ignore[misc]  # yt-dlp publishes no types
    """A fragment or a key that a list names can't be had."""


def pause(n: int) -> float:
    """Seconds before a fragment, or a key, is asked for again, after n such tries. The name is yt-dlp's."""
    return float(FIRST_PAUSE * 2**n)


def pause_of_file(n: int) -> float:
    """As pause, of a body that is one file: where its connection broke it is taken up again at once."""
    return pause(n - 1) if n else 0.0


def install() -> None:
    """From here on, for files, fragments and keys. What was given up first is the downloader's `gave_up`."""
    report = FileDownloader.report_retry

    def raise_the_last(
        downloader: Any, error: Exception, count: int, retries: int, frag_index: Any = NO_DEFAULT, fatal: bool = True
    ) -> None:
        if not fatal or count <= retries:
            report(downloader, error, count, retries, frag_index, fatal)
            return
        kind = DownloadError if frag_index is NO_DEFAULT else PartMissing
        failure = kind(f"{error}. Giving up after {retries} retries", (type(error), error, error.__traceback__))
        downloader.ydl.gave_up = getattr(downloader.ydl, "gave_up", None) or failure
        raise failure from error

    FileDownloader.report_retry = raise_the_last
