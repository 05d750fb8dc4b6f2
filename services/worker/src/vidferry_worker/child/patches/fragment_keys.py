"""Keys and segments of HLS (RFC 8216 §5) that are none are the origin's error, and a key is asked for again.

By itself yt-dlp asks for a key once, whatever comes, and takes any bytes for it: a page of a login, or a segment that
was cut within a block of the cipher, ends as a ValueError of the cipher. It takes any last byte for padding (PKCS7).
"""

import struct
from base64 import b64decode
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from yt_dlp.aes import aes_cbc_decrypt_bytes
from yt_dlp.downloader.fragment import FragmentFD
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import RetryManager

from vidferry_common.contract.errors import ErrorCode, JobFailure

BLOCK = 16
"""bytes of a block of AES, and of a key of AES-128"""
_REFUSALS = frozenset({401, 403, 451})
"""that asking again doesn't change"""
MOST_KEYS = 1000
"""that are remembered"""

Fragment = dict[str, Any]


def check_key(key: bytes) -> bytes:
    """The key; JobFailure where it is none."""
    if len(key) != BLOCK:
        raise JobFailure(ErrorCode.ORIGIN_ERROR, f"{len(key)} bytes came for a key")
    return key


def read_data(url: str) -> bytes:
    """What a data URL (RFC 2397) holds; JobFailure where it holds nothing that can be read."""
    head, _, data = url.partition(",")
    content = unquote_to_bytes(data)
    try:
        return b64decode(content) if head.rstrip().lower().endswith(";base64") else content
    except ValueError as error:
        raise JobFailure(ErrorCode.ORIGIN_ERROR, "a key in the list itself that can't be read") from error


def decrypt(content: bytes, key: bytes, iv: bytes) -> bytes:
    """What a segment holds (RFC 8216 §4.3.2.4); JobFailure where it can't be one."""
    if not content or len(content) % BLOCK:
        raise JobFailure(ErrorCode.ORIGIN_ERROR, f"an encrypted segment of {len(content)} bytes is cut")
    if len(iv) != BLOCK:
        raise JobFailure(ErrorCode.ORIGIN_ERROR, f"an initialization vector of {len(iv)} bytes")
    plain: bytes = aes_cbc_decrypt_bytes(content, key, iv)
    padding = plain[-1]
    is_padded = 0 < padding <= BLOCK and plain.endswith(bytes([padding]) * padding)
    return plain[:-padding] if is_padded else plain


def _decrypter(downloader: Any, info: dict[str, Any]) -> Callable[[Fragment, bytes | None], bytes | None]:
    """As FragmentFD's: a function that opens the segments of one stream."""
    known: dict[str, bytes] = {}

    def fetch_key(url: str) -> bytes:
        if url not in known:
            if len(known) >= MOST_KEYS:
                known.clear()
            is_inside = url[:5].lower() == "data:"
            known[url] = check_key(read_data(url) if is_inside else _fetch(downloader, info, url))
        return known[url]

    def open_fragment(fragment: Fragment, content: bytes | None) -> bytes | None:
        how = fragment.get("decrypt_info")
        if content is None or not how or how["METHOD"] != "AES-128":
            return content
        iv = how.get("IV") or struct.pack(">8xq", fragment["media_sequence"])
        how["KEY"] = how.get("KEY") or fetch_key((info.get("hls_aes") or {}).get("uri") or how["URI"])
        return decrypt(content, how["KEY"], iv)

    return open_fragment


def _fetch(downloader: Any, info: dict[str, Any], url: str) -> bytes:
    def note(error: Exception, count: int, retries: int) -> None:
        downloader.report_retry(error, count, retries, frag_index=None)

    for retry in RetryManager(downloader.params.get("fragment_retries"), note):
        try:
            request = downloader._prepare_url(info, url)  # noqa: SLF001 - as yt-dlp's own decrypter does
            with downloader.ydl.urlopen(request) as response:
                key: bytes = response.read()
        except (HTTPError, TransportError) as error:
            if isinstance(error, HTTPError) and error.status in _REFUSALS:
                raise
            retry.error = error
            continue
        return key
    raise AssertionError  # the last error was raised


def install() -> None:
    """From here on, for all encrypted streams."""
    FragmentFD.decrypter = _decrypter
