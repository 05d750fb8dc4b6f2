"""Limits on the size of a request's head and on the time in which a request has to arrive.

uvicorn 0.54 has no such limits, and refuses what it can't parse in plain text.
"""

import asyncio
import logging
import re
import resource
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http.problems import problem_bytes

MAX_HEAD = 64 * 1024
"""bytes of a request's line and headers; also of what else comes without being a body, such as trailers"""
MAX_HEADERS = 256
"""of a request: in Python's objects an empty one takes thirty times what it takes on the wire"""
REQUEST_SECONDS = 30.0
"""for a request to come, from the connection's start or its first byte on"""
LINGER_SECONDS = 2.0
"""for a client to read why it was refused: closed at once, with bytes of its unread, the kernel would take that back"""
METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST"
"""all that any path takes"""

logger = logging.getLogger(__name__)

_WARN_SECONDS = 60.0
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP/1\.")
_ABSOLUTE_TARGET = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://(?P<host>[^/?#]*)(?P<path>.*)")
_HEADER_OVERHEAD = len(b": \r\n")

if TYPE_CHECKING:

    class _HttpProtocol(asyncio.Protocol):
        """The part of uvicorn's HttpToolsProtocol that is used here. This library does not import uvicorn."""

        transport: asyncio.Transport
        loop: asyncio.AbstractEventLoop
        cycle: Any
        parser: Any
        pipeline: deque[Any]
        url: bytes
        headers: list[tuple[bytes, bytes]]

        def on_message_begin(self) -> None: ...
        def on_header(self, name: bytes, value: bytes) -> None: ...
        def on_headers_complete(self) -> None: ...
        def on_body(self, body: bytes) -> None: ...
        def on_message_complete(self) -> None: ...
        def handle_websocket_upgrade(self) -> None: ...
        def on_response_complete(self) -> None: ...
        def _should_upgrade(self) -> bool: ...
        def send_400_response(self, msg: str) -> None: ...

else:
    _HttpProtocol = asyncio.Protocol


class BoundedRequests(_HttpProtocol):
    """A mixin before uvicorn's HttpToolsProtocol. It answers 431 and 408 where a request is too large or too slow, 501
    where its method is unknown and 400 where it is no HTTP, each with a problem document. A request that offers another
    protocol (Upgrade) is answered in HTTP/1.1.
    """

    max_connections = 2000
    """of a process, whose requests are read or answered; those of watchers have limits of their own"""
    _open: ClassVar[set[asyncio.Protocol]] = set()
    _warned = -_WARN_SECONDS
    _unparsed = 0
    """bytes since the parser last completed a head, a message or a piece of a body"""
    _in_head = _in_message = _given = _refused = False
    """what is being read is a request's head, is a request, is one that the application was given; or means nothing"""
    _offered = False
    """the request that is being read offers another protocol, and is going to be parsed anew without that"""
    _deadline: asyncio.TimerHandle | None = None
    _segment = b""
    """what is being parsed"""
    _is_unread = False
    """the segment has yet to be given to the parser"""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open.add(self)
        if len(self._open) > min(self.max_connections, _half_of_descriptors()):
            self._turn_away()
            return
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self.hand_over()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unparsed += len(data)
        self._segment, self._is_unread = data, True
        while self._is_unread:
            self._is_unread = False
            super().data_received(self._segment)
        self._segment = b""
        if self._refused or self.transport.is_closing():
            return
        if self._unparsed > MAX_HEAD:
            self._refuse_head()
        elif not (self._in_message or self._unparsed):
            self.stop_waiting()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def hand_over(self) -> None:
        """Stops counting the connection: it has ended, or is another protocol's now."""
        self.stop_waiting()
        self._open.discard(self)

    def stop_waiting(self) -> None:
        """Stops the timer: the request is here, or need not come."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # The parser

    def on_message_begin(self) -> None:
        self._in_message, self._in_head, self._given = True, True, False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:  # trailers mean nothing here, and may be discarded (RFC 9110 §6.5.1)
            return
        if len(self.headers) >= MAX_HEADERS:
            self._refuse_head()
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._unparsed = False, 0
        size = len(self.url) + sum(len(name) + len(value) + _HEADER_OVERHEAD for name, value in self.headers)
        if size > MAX_HEAD:
            self._refuse_head()
        self._read_absolute_target()
        self._offered = self._offers_another_protocol()
        if not (self._refused or self._offered):
            self.accept_request()
            self._given = True

    def _read_absolute_target(self) -> None:
        """A target that is a whole URL names the request's host, whatever the Host header says (RFC 9112 §3.2.2)."""
        if match := _ABSOLUTE_TARGET.fullmatch(self.url):
            self.url = match["path"] if match["path"].startswith(b"/") else b"/" + match["path"]
            self.headers[:] = [(name, match["host"] if name == b"host" else value) for name, value in self.headers]

    def accept_request(self) -> None:
        """A request's head is here, and within the bounds."""
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message, self._given, self._unparsed = False, False, 0
        if not (self._refused or self._offered):
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        if not self._refused:
            super().handle_websocket_upgrade()
            if self.transport.get_protocol() is not self:
                self.hand_over()

    def _offers_another_protocol(self) -> bool:
        return bool(
            self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT" and not self._should_upgrade()
        )

    def _unsupported_upgrade_warning(self) -> None:
        """Answers in HTTP/1.1 a request that offers another protocol (RFC 9110 §7.8), as curl and Java's client do with
        HTTP/2.

        The parser takes what follows such a head for bytes of that protocol, and a body is lost.
        """
        upgrade = sys.exc_info()[1]  # the parser's exception is being handled; it tells the place in the segment
        if self._refused or not self._offered or upgrade is None:
            return
        lines = [b"%b: %b\r\n" % each for each in self.headers if each[0] != b"upgrade"]
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self._segment = b"".join([first, *lines, b"\r\n", self._segment[upgrade.args[0] :]])
        self.parser = type(self.parser)(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._is_unread = True  # in data_received's own loop: a segment may hold thousands of such requests

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        # Called where the parser's exception is being handled. It takes any text for a method that it does not know.
        wrong_method = type(sys.exc_info()[1]).__name__ == "HttpParserInvalidMethodError"
        if wrong_method and _REQUEST_LINE.match(self._segment):
            self.refuse(ProblemCode.UNKNOWN_METHOD, f"Use one of {METHODS}.", {"Allow": METHODS})
        else:
            self.refuse(ProblemCode.MALFORMED_REQUEST, "Send an HTTP/1.1 request as RFC 9112 describes it.")

    # The application

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refused and self._is_answered() and not self.transport.is_closing():
            self._end_connection()

    # Refusals

    def refuse(self, code: ProblemCode, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Answers the request that is being read with a problem document, and ends the connection."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self.stop_waiting()
        if self._answers_an_earlier_one():  # its answer comes first, and is the connection's last
            return
        if not (self._given and self._is_answered()):  # not behind an answer that was given without the body
            self._dismiss_application()
            self.transport.write(problem_bytes(code, detail, headers))
        self._end_connection()

    def _answers_an_earlier_one(self) -> bool:
        """Whether the application's answer to the request before, or to several, has yet to be sent."""
        if self._is_answered():
            return False
        return bool(self.pipeline) or self.cycle.response_started or not self._given

    def _is_answered(self) -> bool:
        """Whether all requests are that the application was given."""
        return self.cycle is None or self.cycle.response_complete

    def _dismiss_application(self) -> None:
        """Tells the application that its client is gone: it may have begun with the request that is refused."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _refuse_head(self) -> None:
        what = f"{MAX_HEAD} bytes of request line and headers, and {MAX_HEADERS} headers"
        self.refuse(ProblemCode.HEAD_TOO_LARGE, f"Send at most {what}.")

    def _turn_away(self) -> None:
        """Ends a connection beyond the limit without an answer, which would hold it for longer."""
        self._warn_of_limit()
        self.transport.abort()

    @classmethod
    def _warn_of_limit(cls) -> None:
        now = time.monotonic()
        if now - cls._warned >= _WARN_SECONDS:
            cls._warned = now
            logger.warning("too many connections; further ones are closed", extra={"connections": len(cls._open) - 1})

    def _too_late(self) -> None:
        self._deadline = None
        if self._answers_an_earlier_one():  # meanwhile nobody waits for the next one
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_late)
        elif self._in_message or self._unparsed:
            self.refuse(ProblemCode.REQUEST_TIMEOUT, f"Send the complete request within {REQUEST_SECONDS:.0f} seconds.")
        else:
            self.transport.close()

    def _end_connection(self) -> None:
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def _half_of_descriptors() -> int:
    """Half of the file descriptors that this process may have: answers and Redis take the others."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
