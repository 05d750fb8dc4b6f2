"""How much of a body is read at once: yt-dlp tells its progress block by block.

Its own choice is a second's worth; a message is to leave every half of one. It also words a sentence for each block,
which nobody reads.
"""

from yt_dlp.downloader.common import FileDownloader

BLOCK_SECONDS = 0.2
MIN_BLOCK, MAX_BLOCK = 1024, 4 * 1024**2
"""bytes"""


def install() -> None:
    FileDownloader.best_block_size = staticmethod(block_size)
    FileDownloader.report_progress = lambda *_: None


def block_size(elapsed: float, count: int) -> int:
    """How much to read at once, after count bytes took elapsed seconds."""
    rate = count / max(elapsed, 0.001)
    return int(min(max(rate * BLOCK_SECONDS, count / 2, MIN_BLOCK), count * 2, MAX_BLOCK))
