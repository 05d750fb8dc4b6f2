"""A request that is sent again, on another connection, where the site sends nothing for a while."""

import sys
from collections.abc import Callable

from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import RequestError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import request_limits
from vidferry_worker.child.error_chain import is_silence
from vidferry_worker.child.stall_timer import StallTimer

REPEATABLE = frozenset({"GET", "HEAD"})
"""methods of requests that may be sent twice (RFC 9110 §9.2.2)"""
MAX_GIVEN = 64 * 1024
"""bytes of a body that may have been given to yt-dlp, and are compared, when it is requested again"""


class PatientRequest:
    """A request, and the reading of its response.

    One with a timeout of its own, and one that must not be sent twice, is sent once.
    """

    def __init__(self, request: Request, send: Callable[[Request], Response], timer: StallTimer) -> None:
        self._request, self._send, self._timer = request, send, timer
        self._own_timeout = request.extensions.get("timeout")
        self._repeats = self._own_timeout is None and request.method in REPEATABLE
        self._read: Callable[..., bytes] | None = None
        self._given = bytearray()

    def open(self) -> Response:
        """The response. JobFailure where nothing comes until the stall time is over, or an error of yt-dlp."""
        outer = sys.exception()
        while True:
            timeout = self._request.extensions["timeout"] = self._find_timeout()
            try:
                with self._timer.time_wait(timeout):
                    response = self._send(self._request)
            except RequestError as error:
                if not self._may_repeat(error, outer):
                    raise
                continue
            if self._request.method == "HEAD":
                self._timer.note_bytes()
            self._read = request_limits.limit_read(self._timer.time_wait(timeout)(response.read))
            return response

    def read(self, amount: int | None = None) -> bytes:
        """So many bytes of the body, or all. The errors of open()."""
        outer = sys.exception()
        while True:
            try:
                data = (self._read or self._request_again())(amount)
            except RequestError as error:
                if not self._may_repeat(error, outer) or len(self._given) > MAX_GIVEN:
                    raise
                self._read = None
                continue
            self._timer.note_bytes()
            if self._repeats and amount is not None and len(self._given) <= MAX_GIVEN:
                self._given += data
            return data

    def _find_timeout(self) -> float:
        if self._own_timeout is not None:
            return float(self._own_timeout)
        return self._timer.timeout if self._repeats else self._timer.whole_timeout

    def _may_repeat(self, error: RequestError, outer: BaseException | None) -> bool:
        return self._repeats and is_silence(error, outer) and not self._timer.is_over

    def _request_again(self) -> Callable[..., bytes]:
        """Reads the body of a new response, up to where the one before ended."""
        self.open()
        assert self._read
        again = bytearray()
        while len(again) < len(self._given) and (piece := self._read(len(self._given) - len(again))):
            again += piece
        if again != self._given:
            raise JobFailure(ErrorCode.STALLED, "nothing more came of a page, which has changed since")
        return self._read
