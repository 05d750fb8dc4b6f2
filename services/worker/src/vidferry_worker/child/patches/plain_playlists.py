"""Lists of links (M3U without tags of HLS, PLS) lead to their first entry.

yt-dlp's generic extractor reads M3U as HLS, so that it takes an entry for a list of segments, and reads PLS as media.
It also knows no list that begins with a byte order mark, and fetches the station of a radio for ever.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.generic import GenericIE

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import plain_playlists
from vidferry_worker.child.hls.tags import unsupported

MOST_LISTS = 5
"""that lead from one to the next"""
HEAD = 64 * 1024
"""bytes in which a list has its first entry, or a tag of HLS"""
_TYPES = frozenset({"mpegurl", "x-mpegurl", "vnd.apple.mpegurl", "x-scpls", "scpls", "pls+xml"})
_ENDINGS = frozenset({".m3u", ".m3u8", ".pls"})
_RADIO = ("icy-", "ice-")
_BEFORE_MARK = b"\xef\xbb\xbf \t\r\n"
_MARK = b"#EXTM3U"

Read = Callable[..., bytes]


class _Link(Exception):
    """The answer is a list of links."""

    def __init__(self, link: plain_playlists.Link) -> None:
        super().__init__(link)
        self.link = link


class _Progress:
    """How far this process, which makes one download, has followed lists."""

    looks = False
    """at the next response"""
    lists = 0


def install() -> None:
    """From here on, for all that the generic extractor is given; byte order marks are left out for all extractors."""
    request, extract, progress = InfoExtractor._request_webpage, GenericIE._real_extract, _Progress()  # noqa: SLF001

    def request_without_mark(extractor: Any, *args: Any, **options: Any) -> Any:
        response = request(extractor, *args, **options)
        if response is not False:
            response.read = without_mark(response.read)
        return response

    def request_and_look(extractor: Any, *args: Any, **options: Any) -> Any:
        looks, progress.looks = progress.looks, False
        response = request_without_mark(extractor, *args, **options)
        if response is not False and looks:
            _look(response)
        return response

    def extract_or_follow(extractor: Any, url: str) -> Any:
        progress.looks = True
        try:
            return extract(extractor, url)
        except _Link as found:
            progress.lists += 1
            return _lead_on(extractor, found.link, progress.lists)

    InfoExtractor._request_webpage = request_without_mark  # noqa: SLF001
    GenericIE._request_webpage = request_and_look  # noqa: SLF001
    GenericIE._real_extract = extract_or_follow  # noqa: SLF001


def _lead_on(extractor: Any, link: plain_playlists.Link, lists: int) -> Any:
    """yt-dlp's result that leads to another address."""
    if lists > MOST_LISTS:
        raise unsupported(f"more than {MOST_LISTS} lists that lead from one to the next")
    titled = {"url_transparent": True, "video_title": link.title} if link.title else {}
    return extractor.url_result(link.address, **titled)


def _look(response: Any) -> None:
    """Raises _Link where the response is such a list; else it can be read as before. JobFailure where it is a radio."""
    if is_radio(response.headers):
        raise JobFailure(ErrorCode.LIVE, "a radio, which has no end")
    media_type = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower().partition("/")[2]
    ending = PurePosixPath(urlsplit(response.url).path).suffix.lower()
    if media_type in _TYPES or ending in _ENDINGS:
        head = response.read(HEAD)
        response.read = after(head, response.read)
        _raise_link(head, response.url)
    else:
        response.read = _looking(response)


def is_radio(headers: Mapping[str, str]) -> bool:
    """Whether a server for radio stations (Icecast, SHOUTcast) sends a station: that is where most such lists lead."""
    return "Content-Length" not in headers and any(name.lower().startswith(_RADIO) for name in headers)


def _looking(response: Any) -> Read:
    """A read() that looks at what is read first: lists come under any type."""
    read = response.read

    def read_and_look(amount: int | None = None) -> bytes:
        head: bytes = read(amount)
        response.read = read
        if head.startswith(_MARK) or plain_playlists.is_pls(head[:HEAD].decode("utf-8", "ignore")):
            more = b"" if amount is None else read(HEAD)
            response.read = after(more, read)
            _raise_link(head + more, response.url)
        return head

    return read_and_look


def _raise_link(head: bytes, base: str) -> None:
    if link := plain_playlists.first_link(plain_playlists.decode(head), base):
        raise _Link(link)


def without_mark(read: Read) -> Read:
    """A read() that leaves out what stands before a list's first tag."""
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


def after(head: bytes, read: Read) -> Read:
    """A read() that gives first what was read already."""
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
