"""Limits on what yt-dlp requests and reads: schemes, the length of URLs, and the size of what it reads whole."""

from collections.abc import Callable
from urllib.parse import urlsplit

from yt_dlp.networking.exceptions import TransportError

from vidferry_common.contract.errors import ErrorCode, JobFailure

MAX_URL = 32 * 1024
"""characters: signed URLs of segments have a few thousand"""
MAX_PAGE_BYTES = 64 * 1024**2
"""a playlist of twelve hours has up to 20 million"""
READ_SIZE = 1024**2
SCHEMES = frozenset({"http", "https"})


def check_url(url: str) -> None:
    """TransportError where a URL may not be requested: yt-dlp also reads data: and ftp:, which a manifest may name.

    It is the error of an unreachable host, so that a thumbnail's URL doesn't fail its video's download.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in SCHEMES or len(url) > MAX_URL:
        failure = JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"an address of {len(url)} characters: {url[:100]}")
        raise TransportError(cause=failure)


def limit_read(read: Callable[..., bytes]) -> Callable[..., bytes]:
    """Wraps a response's read() so that reading all of a page, manifest or key is limited, after decompression."""

    def read_limited(amount: int | None = None) -> bytes:
        if amount is not None:
            return read(amount)
        whole = bytearray()
        while piece := read(READ_SIZE):
            whole += piece
            if len(whole) > MAX_PAGE_BYTES:
                raise JobFailure(ErrorCode.UNSUPPORTED_SITE, "a page or a manifest does not end")
        return bytes(whole)

    return read_limited
