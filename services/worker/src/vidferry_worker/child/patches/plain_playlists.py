"""Makes yt-dlp's GenericIE follow plain playlists (M3U without HLS tags, PLS) to their entries.

By itself, yt-dlp reads M3U as HLS and takes an entry for a segment, reads PLS as media, recognizes no playlist with a
byte order mark, and downloads a radio station for ever. With the patch, it follows the only entry, returns several as a
list, accepts a byte order mark, and refuses radio stations as live.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.generic import GenericIE

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import plain_playlists
from vidferry_worker.child.hls.tags import unsupported_stream
from vidferry_worker.children.protocol import MAX_WALKED

MAX_PLAYLISTS = 5
"""playlists that may lead from one to the next"""
HEAD_BYTES = 64 * 1024
"""bytes in which a playlist has its first entry, or an HLS tag"""
MAX_BYTES = 2 * 1024**2
"""of a playlist whose entries are read"""
MAX_ENTRIES = MAX_WALKED + 1
"""one more than is read of a list, which tells that there are more"""
_TYPES = frozenset({"mpegurl", "x-mpegurl", "vnd.apple.mpegurl", "x-scpls", "scpls", "pls+xml"})
_ENDINGS = frozenset({".m3u", ".m3u8", ".pls"})
_RADIO = ("icy-", "ice-")
_BEFORE_MARK = b"\xef\xbb\xbf \t\r\n"
_MARK = b"#EXTM3U"

Read = Callable[..., bytes]


class _EntriesFound(Exception):
    """The response is a plain playlist with these entries."""

    def __init__(self, links: list[plain_playlists.Entry], *, is_cut: bool) -> None:
        super().__init__(links)
        self.links, self.is_cut = links, is_cut


class _Progress:
    """How many playlists this process, which makes one download, has followed."""

    inspects_next = False
    """whether the next response is searched for a playlist"""
    followed = 0


def install() -> None:
    """Installs the patch for the generic extractor; byte order marks are removed for all extractors."""
    request, extract, progress = InfoExtractor._request_webpage, GenericIE._real_extract, _Progress()  # noqa: SLF001

    def request_without_mark(extractor: Any, *args: Any, **options: Any) -> Any:
        response = request(extractor, *args, **options)
        if response is not False:
            response.read = without_mark(response.read)
        return response

    def request_and_look(extractor: Any, *args: Any, **options: Any) -> Any:
        looks, progress.inspects_next = progress.inspects_next, False
        response = request_without_mark(extractor, *args, **options)
        if response is not False and looks:
            _find_entry_in(response)
        return response

    def extract_or_follow(extractor: Any, url: str) -> Any:
        progress.inspects_next = True
        try:
            return extract(extractor, url)
        except _EntriesFound as found:
            progress.followed += 1
            if progress.followed > MAX_PLAYLISTS:
                reason = f"more than {MAX_PLAYLISTS} lists that lead from one to the next"
                raise unsupported_stream(reason) from None
            if found.is_cut:
                extractor._downloader.list_is_cut = True  # noqa: SLF001
            results = [_follow_entry(extractor, link) for link in found.links]
            return results[0] if len(results) == 1 else extractor.playlist_result(results)

    InfoExtractor._request_webpage = request_without_mark  # noqa: SLF001
    GenericIE._request_webpage = request_and_look  # noqa: SLF001
    GenericIE._real_extract = extract_or_follow  # noqa: SLF001


def _follow_entry(extractor: Any, link: plain_playlists.Entry) -> Any:
    """The yt-dlp result that leads to the URL of an entry."""
    titled = {"url_transparent": True, "video_title": link.title} if link.title else {}
    return extractor.url_result(link.url, **titled)


def _find_entry_in(response: Any) -> None:
    """Raises _EntriesFound for a plain playlist, JobFailure for a radio station; else the response stays readable."""
    if is_radio(response.headers):
        raise JobFailure(ErrorCode.LIVE, "a radio, which has no end")
    media_type = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower().partition("/")[2]
    ending = PurePosixPath(urlsplit(response.url).path).suffix.lower()
    if media_type in _TYPES or ending in _ENDINGS:
        rest = response.read
        head = rest(HEAD_BYTES)
        response.read = read_after(head, rest)
        _raise_entries(head, rest, response.url)
    else:
        response.read = _find_entry_while_reading(response)


def is_radio(headers: Mapping[str, str]) -> bool:
    """Whether the response is a radio station by Icecast or SHOUTcast, which most plain playlists lead to."""
    return "Content-Length" not in headers and any(name.lower().startswith(_RADIO) for name in headers)


def _find_entry_while_reading(response: Any) -> Read:
    """A read() that searches what is read first: playlists are sent with any Content-Type."""
    read = response.read

    def read_and_look(amount: int | None = None) -> bytes:
        head: bytes = read(amount)
        response.read = read
        if head.startswith(_MARK) or plain_playlists.is_pls(head[:HEAD_BYTES].decode("utf-8", "ignore")):
            more = b"" if amount is None else read(HEAD_BYTES)
            response.read = read_after(more, read)
            _raise_entries(head + more, read, response.url)
        return head

    return read_and_look


def _raise_entries(head: bytes, read_rest: Read, base: str) -> None:
    first = plain_playlists.find_first_entry(plain_playlists.decode_text(head), base)
    if not first:
        return
    whole = bytearray(head)
    while len(whole) < MAX_BYTES and (piece := read_rest(HEAD_BYTES)):
        whole += piece
    is_cut = len(whole) >= MAX_BYTES and bool(read_rest(1))
    if is_cut:  # perhaps amid a line
        del whole[whole.rfind(b"\n") + 1 :]
    entries = plain_playlists.iterate_entries(plain_playlists.decode_text(bytes(whole)), base)
    found = {link.url: link for link in islice(entries, MAX_ENTRIES)}
    raise _EntriesFound(list(found.values()) or [first], is_cut=is_cut or next(entries, None) is not None)


def without_mark(read: Read) -> Read:
    """A read() that removes what precedes the first tag of a playlist."""
    is_first = True

    def read_without_mark(amount: int | None = None) -> bytes:
        nonlocal is_first
        data = read(amount) if amount is not None else read()
        if is_first and data[:1] in (b"\xef", b" ", b"\t", b"\r", b"\n"):
            stripped = data.lstrip(_BEFORE_MARK)
            data = stripped if stripped.startswith(_MARK) else data
        is_first = False
        return data

    return read_without_mark


def read_after(head: bytes, read: Read) -> Read:
    """A read() that first returns what was read already."""
    kept = head

    def read_kept(amount: int | None = None) -> bytes:
        nonlocal kept
        if amount is None:
            given, kept = kept, b""
            return given + read()
        if not kept:
            return read(amount)
        given, kept = kept[:amount], kept[amount:]
        return given

    return read_kept
