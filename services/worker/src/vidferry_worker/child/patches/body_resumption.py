"""Changes how yt-dlp's HttpFD resumes a body whose connection broke or went silent.

By itself, yt-dlp requests the rest without a condition and checks only where it starts, so it may join halves of two
versions of a file. After a 416 it repeats the refused range, since its requests share their headers. A response with
less than was requested ends the file early, and a whole file in place of a range is taken for the range. A silent
connection counts as one of three retries, however long a site may be silent.

With the patch, the rest is requested with If-Range (RFC 9110 §13.1.5) and compared with what came before, by
validators (§8.8) and total length (§14.4). If the file has changed, the download of it starts again. After a silence it
is resumed at once, until no new byte has come for the stall time.
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
from vidferry_worker.child.error_chain import is_silence
from vidferry_worker.child.stall_timer import StallTimer

PARTIAL = 206
REFUSALS = (412, 416)
"""for a range that doesn't exist or, on some servers, a condition that fails: the whole file may be requested"""
STRONG_AFTER = 60
"""Last-Modified is a strong validator if it is so many seconds before Date (§8.8.2.2)."""
MAX_SKIPPED = 64 * 1024**2
"""bytes that are read and discarded where a site sends the whole file instead of a range"""
SKIP_PIECE = 256 * 1024
MAX_RESTARTS = 10
"""times that one file is begun again: what sends one byte more each time would send all others over and over"""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """The version of a file, by the headers of a response."""

    etag: str = ""
    modified: str = ""
    total: int | None = None
    """bytes of the whole file"""
    if_range: str = ""
    """the strong validator for If-Range, if there is one"""

    @classmethod
    def from_response(cls, status: int, headers: Mapping[str, str]) -> Self:
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

    def is_same(self, other: "FileVersion") -> bool:
        """Whether nothing indicates that the other version differs."""
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


class ResumableBody:
    """A file, or a range of one, over all requests for it."""

    def __init__(
        self, asked: str | None, part: Path, urlopen: Callable[[Request], Response], stall_timer: StallTimer
    ) -> None:
        self._asked, self._part, self._urlopen, self._stall_timer = asked, part, urlopen, stall_timer
        self._first, self._last, _ = parse_http_range(asked)
        self._furthest = 0
        """bytes that have come, without those that came twice"""
        self._version: FileVersion | None = None
        self._is_encoded = False
        self._restarts = 0

    def open(self, request: Request) -> Response:
        """The response to yt-dlp's request, or to one for the whole file where it can't be resumed.

        JobFailure where nothing new has come for the stall time; so does its read().
        """
        begin, last, _ = parse_http_range(request.headers.get("Range"))
        if self._version is None or begin is None or begin <= (self._first or 0):
            return self._accept_first(self._send(request), last)
        if self._is_encoded:  # yt-dlp's offset counts decoded bytes
            return self._restart(request)
        if self._version.if_range:
            request.headers["If-Range"] = self._version.if_range
        try:
            response = self._send(request)
        except HTTPError as error:
            if error.status not in REFUSALS:
                raise
            error.close()
            return self._restart(request)
        if response.status != PARTIAL:
            self._discard_part()
            return self._accept_first(response, self._last)
        if (
            not self._version.is_same(FileVersion.from_response(response.status, response.headers))
            or _range_start(response) != begin
        ):
            response.close()
            return self._restart(request)
        _expect_whole_range(response, last)
        response.read = self._note_new(response.read, begin - (self._first or 0))
        return response

    def _send(self, request: Request) -> Response:
        """Sends a request, whose answer may take as long as the stall timer says."""
        timeout = request.extensions["timeout"] = self._stall_timer.timeout
        with self._stall_timer.time_wait(timeout):
            response = self._urlopen(request)
        response.read = self._stall_timer.time_wait(timeout)(response.read)
        return response

    def _note_new(self, read: Callable[[int], bytes], position: int) -> Callable[[int], bytes]:
        """Wraps the reading of the body from a position on: what comes beyond all before it ends a silence."""

        def read_noting(amount: int) -> bytes:
            nonlocal position
            data = read(amount)
            position += len(data)
            if position > self._furthest:
                self._furthest = position
                self._stall_timer.note_bytes()
            return data

        return read_noting

    def _restart(self, request: Request) -> Response:
        """Requests all of it again."""
        self._discard_part()
        for name in ("Range", "If-Range"):
            request.headers.pop(name, None)
        if self._asked:
            request.headers["Range"] = self._asked
        return self._accept_first(self._send(request), self._last)

    def _discard_part(self) -> None:
        """Deletes the part file, as the file begins again; JobFailure where it has done so too often.

        A speculative upload sees it shrink first, and so doesn't mix it with the new one.
        """
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise JobFailure(ErrorCode.STALLED, "the file begins again and again")
        if self._part.exists():
            self._part.write_bytes(b"")
            self._part.unlink()

    def _accept_first(self, response: Response, last: int | None) -> Response:
        self._version = FileVersion.from_response(response.status, response.headers)
        self._is_encoded = bool(response.headers.get("Content-Encoding"))
        if response.status == PARTIAL:
            if _range_start(response) not in (None, self._first or 0):
                raise JobFailure(ErrorCode.ORIGIN_ERROR, "another range came than the one that was asked for")
            _expect_whole_range(response, last)
        elif self._first or self._last is not None:
            self._take_range(response)
        response.read = self._note_new(response.read, 0)
        return response

    def _take_range(self, response: Response) -> None:
        """Takes the requested range out of a response with the whole file."""
        first, last = self._first or 0, self._last
        if first > MAX_SKIPPED:
            raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the site sends no ranges")
        length = int_or_none(response.headers.get("Content-Length"))
        ends = [end for end in (length, None if last is None else last + 1) if end is not None]
        if ends:
            _set_length(response, max(0, min(ends) - first))
        response.read = _limit_to_range(response.read, first, None if last is None else last + 1 - first)


def _limit_to_range(read: Callable[[int], bytes], skipped: int, length: int | None) -> Callable[[int], bytes]:
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


def _expect_whole_range(response: Response, last: int | None) -> None:
    """Sets the requested length on a response with fewer bytes, so that yt-dlp requests the rest."""
    begin, end, total = parse_http_range(response.headers.get("Content-Range"))
    ends = [each for each in (last, total - 1 if total else None) if each is not None]
    if begin is not None and end is not None and ends and end < min(ends):
        _set_length(response, min(ends) - begin + 1)


def _range_start(response: Response) -> int | None:
    begin: int | None = parse_http_range(response.headers.get("Content-Range"))[0]
    return begin


def _set_length(response: Response, length: int) -> None:
    del response.headers["Content-Length"]
    response.headers["Content-Length"] = str(length)


class _YdlWithOpener:
    """A YoutubeDL whose requests go through a ResumableBody."""

    def __init__(self, ydl: Any, urlopen: Callable[[Request], Response]) -> None:
        self._ydl, self.urlopen = ydl, urlopen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ydl, name)


def _request_with_own_headers(url: str, data: Any, headers: Any, **how: Any) -> Request:
    return Request(url, data, HTTPHeaderDict(headers), **how)


def _count_failures(report_retry: Callable[..., None], retries: int) -> Callable[..., None]:
    """A report_retry() for one body, to which a silence is no failure: it ends by the stall timer."""
    failures = 0

    def report_failure(error: Exception, *_: Any, **how: Any) -> None:
        nonlocal failures
        if not is_silence(error):
            failures += 1
            report_retry(error, failures, retries, **how)

    return report_failure


def install() -> None:
    """Installs the patch, for files and for ranges of them."""
    fetch = HttpFD.real_download

    def fetch_same(downloader: Any, filename: str, info: dict[str, Any]) -> Any:
        asked = HTTPHeaderDict(info.get("http_headers")).get("Range")
        ydl, timer = downloader.ydl, StallTimer(downloader.ydl.stall_seconds)
        body = ResumableBody(asked, Path(downloader.temp_name(filename)), ydl.urlopen, timer)
        own = copy.copy(downloader)  # threads share the original
        own.ydl = _YdlWithOpener(ydl, body.open)
        own.params = {**downloader.params, "retries": float("inf")}
        own.report_retry = _count_failures(downloader.report_retry, downloader.params.get("retries") or 0)
        return fetch(own, filename, info)

    module.Request = _request_with_own_headers
    HttpFD.real_download = fetch_same
