"""A body that goes on after a cut goes on with the same file, or begins anew.

By itself yt-dlp asks for the rest without a condition and looks only at where it begins, so it joins halves of two
versions. A 416 makes it ask again with the range that was refused, since its requests share their headers. What
answers less than was asked for ends the file early, and a whole file in the place of a range is taken for the range.

Here the rest is asked for with If-Range (RFC 9110 §13.1.5), and what answers is compared with what came before: its
validators (§8.8) and the length of the whole (§14.4).
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Self

import yt_dlp.downloader.http as module
from yt_dlp.downloader.http import HttpFD
from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import int_or_none, parse_http_range
from yt_dlp.utils.networking import HTTPHeaderDict

from vidferry_common.contract.errors import ErrorCode, JobFailure

PARTIAL = 206
REFUSALS = (412, 416)
"""of a range that is not there, or, of some servers, of a condition that does not hold: the whole may be asked for"""
STRONG_AFTER = 60
"""seconds between Last-Modified and Date from which on a file can't have changed twice within the first (§8.8.2.2)"""
MOST_SKIPPED = 64 * 1024**2
"""bytes that are read and thrown away where a site sends the whole instead of a range"""
SKIP_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a file, as an answer tells it."""

    etag: str = ""
    modified: str = ""
    total: int | None = None
    """bytes of the whole"""
    strong: str = ""
    """the validator that If-Range may carry"""

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str]) -> Self:
        etag, modified = headers.get("ETag") or "", headers.get("Last-Modified") or ""
        if status == PARTIAL:
            total = parse_http_range(headers.get("Content-Range"))[2]
        else:
            total = None if headers.get("Content-Encoding") else int_or_none(headers.get("Content-Length"))
        if etag:
            strong = "" if etag.startswith("W/") else etag
        else:
            strong = modified if _is_strong(modified, headers.get("Date") or "") else ""
        return cls(etag.removeprefix("W/"), modified, total, strong)

    def is_same(self, other: "Version") -> bool:
        """Whether nothing says that the other is of another file."""
        if self.total is not None and other.total is not None and self.total != other.total:
            return False
        if self.etag and other.etag:
            return self.etag == other.etag
        return not (self.modified and other.modified) or self.modified == other.modified


def _is_strong(modified: str, date: str) -> bool:
    try:
        age = parsedate_to_datetime(date) - parsedate_to_datetime(modified)
    except (TypeError, ValueError):
        return False
    return age.total_seconds() >= STRONG_AFTER


class Body:
    """One file or range, over all requests for it."""

    def __init__(self, asked: str | None, part: Path, urlopen: Callable[[Request], Response]) -> None:
        self._asked, self._part, self._urlopen = asked, part, urlopen
        self._first, self._last, _ = parse_http_range(asked)
        self._version: Version | None = None
        self._is_encoded = False

    def open(self, request: Request) -> Response:
        """The answer to yt-dlp's request, if need be to one for all of it."""
        begin, last, _ = parse_http_range(request.headers.get("Range"))
        if self._version is None or begin is None or begin <= (self._first or 0):
            return self._begin(self._urlopen(request), last)
        if self._is_encoded:  # what is here was counted after its decoding
            return self._begin_anew(request)
        if self._version.strong:
            request.headers["If-Range"] = self._version.strong
        try:
            response = self._urlopen(request)
        except HTTPError as error:
            if error.status not in REFUSALS:
                raise
            error.close()
            return self._begin_anew(request)
        if response.status != PARTIAL:
            self._drop()
            return self._begin(response, self._last)
        if not self._version.is_same(Version.of(response.status, response.headers)) or _begin_of(response) != begin:
            response.close()
            return self._begin_anew(request)
        _announce_all(response, last)
        return response

    def _begin_anew(self, request: Request) -> Response:
        """Asks for all of it."""
        self._drop()
        for name in ("Range", "If-Range"):
            request.headers.pop(name, None)
        if self._asked:
            request.headers["Range"] = self._asked
        return self._begin(self._urlopen(request), self._last)

    def _drop(self) -> None:
        """What is here goes. Who uploads it already sees it shrink, and does not see the new file grow."""
        if self._part.exists():
            self._part.write_bytes(b"")
            self._part.unlink()

    def _begin(self, response: Response, last: int | None) -> Response:
        self._version = Version.of(response.status, response.headers)
        self._is_encoded = bool(response.headers.get("Content-Encoding"))
        if response.status == PARTIAL:
            if _begin_of(response) not in (None, self._first or 0):
                raise JobFailure(ErrorCode.ORIGIN_ERROR, "another range came than the one that was asked for")
            _announce_all(response, last)
        elif self._first or self._last is not None:
            self._take_range(response)
        return response

    def _take_range(self, response: Response) -> None:
        """Of a site that answers the whole, the range that was asked for."""
        first, last = self._first or 0, self._last
        if first > MOST_SKIPPED:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the site sends no ranges")
        length = int_or_none(response.headers.get("Content-Length"))
        ends = [end for end in (length, None if last is None else last + 1) if end is not None]
        if ends:
            _set_length(response, max(0, min(ends) - first))
        response.read = _reading_range(response.read, first, None if last is None else last + 1 - first)


def _reading_range(read: Callable[[int], bytes], skipped: int, length: int | None) -> Callable[[int], bytes]:
    def read_within(amount: int) -> bytes:
        nonlocal skipped, length
        while skipped:
            piece = read(min(skipped, SKIP_PIECE))
            if not piece:
                return b""
            skipped -= len(piece)
        data = read(amount if length is None else min(amount, length))
        if length is not None:
            length -= len(data)
        return data

    return read_within


def _announce_all(response: Response, last: int | None) -> None:
    """Has an answer with fewer bytes than were asked for end as one that was cut: the rest is asked for then."""
    begin, end, total = parse_http_range(response.headers.get("Content-Range"))
    ends = [each for each in (last, total - 1 if total else None) if each is not None]
    if begin is not None and end is not None and ends and end < min(ends):
        _set_length(response, min(ends) - begin + 1)


def _begin_of(response: Response) -> int | None:
    begin: int | None = parse_http_range(response.headers.get("Content-Range"))[0]
    return begin


def _set_length(response: Response, length: int) -> None:
    del response.headers["Content-Length"]
    response.headers["Content-Length"] = str(length)


class _Opener:
    """A YoutubeDL whose requests go through a body."""

    def __init__(self, ydl: Any, urlopen: Callable[[Request], Response]) -> None:
        self._ydl, self.urlopen = ydl, urlopen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ydl, name)


def _own_headers(url: str, data: Any, headers: Any, **how: Any) -> Request:
    return Request(url, data, HTTPHeaderDict(headers), **how)


def install() -> None:
    """From here on, for files and for parts of them."""
    fetch = HttpFD.real_download

    def fetch_same(downloader: Any, filename: str, info: dict[str, Any]) -> Any:
        asked = HTTPHeaderDict(info.get("http_headers")).get("Range")
        body = Body(asked, Path(downloader.temp_name(filename)), downloader.ydl.urlopen)
        own = copy.copy(downloader)  # several threads share it
        own.ydl = _Opener(downloader.ydl, body.open)
        return fetch(own, filename, info)

    module.Request = _own_headers
    HttpFD.real_download = fetch_same
