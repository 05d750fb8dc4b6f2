"""Replaces the decryption of HLS segments (RFC 8216 §5) in yt-dlp's FragmentFD.

By itself, yt-dlp requests a key once and takes any bytes for it: a login page, or a truncated segment, ends in a
ValueError of the cipher. It takes any last byte for padding (PKCS7). With the patch, requests for keys are retried, and
keys, segments and padding are checked; an invalid one is an `origin_error`.
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

BLOCK_BYTES = 16
"""bytes of an AES block, and of an AES-128 key"""
_REFUSALS = frozenset({401, 403, 451})
"""statuses for which a retry doesn't help"""
MAX_KEYS = 1000
"""keys that are kept"""

Fragment = dict[str, Any]


def check_key(key: bytes) -> bytes:
    """Returns the key; JobFailure where it has the wrong length."""
    if len(key) != BLOCK_BYTES:
        raise JobFailure(ErrorCode.ORIGIN_ERROR, f"{len(key)} bytes came for a key")
    return key


def read_data(url: str) -> bytes:
    """The content of a data URL (RFC 2397); JobFailure where it is invalid."""
    head, _, data = url.partition(",")
    content = unquote_to_bytes(data)
    try:
        return b64decode(content) if head.rstrip().lower().endswith(";base64") else content
    except ValueError as error:
        raise JobFailure(ErrorCode.ORIGIN_ERROR, "a key in the list itself that can't be read") from error


def decrypt_segment(content: bytes, key: bytes, iv: bytes) -> bytes:
    """Decrypts a segment (RFC 8216 §4.3.2.4); JobFailure where its length or the IV is invalid."""
    if not content or len(content) % BLOCK_BYTES:
        raise JobFailure(ErrorCode.ORIGIN_ERROR, f"an encrypted segment of {len(content)} bytes is cut")
    if len(iv) != BLOCK_BYTES:
        raise JobFailure(ErrorCode.ORIGIN_ERROR, f"an initialization vector of {len(iv)} bytes")
    plain: bytes = aes_cbc_decrypt_bytes(content, key, iv)
    padding = plain[-1]
    is_padded = 0 < padding <= BLOCK_BYTES and plain.endswith(bytes([padding]) * padding)
    return plain[:-padding] if is_padded else plain


def _make_decrypter(downloader: Any, info: dict[str, Any]) -> Callable[[Fragment, bytes | None], bytes | None]:
    """A function that decrypts the fragments of one stream, as FragmentFD.decrypter makes it."""
    known: dict[str, bytes] = {}

    def fetch_key(url: str) -> bytes:
        if url not in known:
            if len(known) >= MAX_KEYS:
                known.clear()
            is_inside = url[:5].lower() == "data:"
            known[url] = check_key(read_data(url) if is_inside else _fetch_key(downloader, info, url))
        return known[url]

    def open_fragment(fragment: Fragment, content: bytes | None) -> bytes | None:
        how = fragment.get("decrypt_info")
        if content is None or not how or how["METHOD"] != "AES-128":
            return content
        iv = how.get("IV") or struct.pack(">8xq", fragment["media_sequence"])
        how["KEY"] = how.get("KEY") or fetch_key((info.get("hls_aes") or {}).get("uri") or how["URI"])
        return decrypt_segment(content, how["KEY"], iv)

    return open_fragment


def _fetch_key(downloader: Any, info: dict[str, Any], url: str) -> bytes:
    def report_retry(error: Exception, count: int, retries: int) -> None:
        downloader.report_retry(error, count, retries, frag_index=None)

    for retry in RetryManager(downloader.params.get("fragment_retries"), report_retry):
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
    raise AssertionError  # RetryManager has raised the last error


def install() -> None:
    """Installs the patch, for all encrypted streams."""
    FragmentFD.decrypter = _make_decrypter
