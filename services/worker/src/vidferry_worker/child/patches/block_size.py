"""Changes how much of a response body yt-dlp's downloader reads at once.

By itself, yt-dlp reads a block a second, reports progress after each, and formats a line of text for it. With the
patch, blocks take 0.2 s, so that progress can be sent every half second, and no text is formatted.
"""

from yt_dlp.downloader.common import FileDownloader

BLOCK_SECONDS = 0.2
MIN_BLOCK, MAX_BLOCK = 1024, 4 * 1024**2
"""bytes"""


def install() -> None:
    FileDownloader.best_block_size = staticmethod(block_size)
    FileDownloader.report_progress = lambda *_: None


def block_size(elapsed: float, count: int) -> int:
    """The size of the next block, after count bytes took elapsed seconds."""
    rate = count / max(elapsed, 0.001)
    return int(min(max(rate * BLOCK_SECONDS, count / 2, MIN_BLOCK), count * 2, MAX_BLOCK))
