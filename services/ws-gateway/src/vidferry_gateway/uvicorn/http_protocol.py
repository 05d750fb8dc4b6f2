"""uvicorn's HTTP protocol, but for three things: what comes behind a handshake, requests for event streams, and those
for a WebSocket that ask for none. A request's bounds are those of all services.
"""

import asyncio
import re
import sys
from typing import Any, NamedTuple, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http.asgi import App
from vidferry_common.http.request_bounds import BoundedRequests
from vidferry_gateway.buffer import SharedBuffer
from vidferry_gateway.clients.sse import EventStream

_PATH = re.compile(rb"(?:/[^?]*)?/sse/download/(?P<job>[^?]*)(?:\?(?P<query>.*))?")
"""Below any prefix: a proxy may keep its own or take it off."""
_WEBSOCKET_PATH = re.compile(rb"(?:/[^?]*)?/ws/download(?:s|/[^?]*)(?:\?.*)?")


class StreamRequest(NamedTuple):
    """A request for an event stream."""

    method: bytes
    job_id: str
    query: str
    headers: list[tuple[bytes, bytes]]
    http_version: str


class GatewayHttpProtocol(BoundedRequests, HttpToolsProtocol, SharedBuffer):
    """uvicorn's `http=` class wherever GatewayWebSocketProtocol is its `ws=` class.

    uvicorn rebuilds the request's text from its headers for the WebSocket protocol, and drops the rest of the segment:
    a ping that a client sent at once is never answered.

    An event stream is no answer of an application, which would hold a task and a large buffer: the connection is handed
    over to a protocol of its own, as a WebSocket's is.
    """

    max_connections = 10_000
    """for handshakes of all that come back at once"""
    stream_class: type[EventStream]
    websocket_only: App
    """answers at a WebSocket's path who asks for none"""
    _stream_request: StreamRequest | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._stream_request is not None and not self.transport.is_closing():
            self._hand_over_stream(self._stream_request)

    def accept_request(self) -> None:
        """All but a request for an event stream is an application's, or asks for a WebSocket."""
        match = None if self.parser.should_upgrade() else _PATH.fullmatch(self.url)
        if match is None or not self._idle():
            self._choose_application()
            super().accept_request()
            return
        job, query = match["job"].decode("latin-1"), (match["query"] or b"").decode("latin-1")
        version = self.parser.get_http_version()
        self._stream_request = StreamRequest(self.parser.get_method(), job, query, [*self.headers], version)

    def on_headers_complete(self) -> None:
        if self._stream_request is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._stream_request is None:
            super().on_body(body)

    def on_message_begin(self) -> None:
        # What a client sends behind its request for a stream is no second request.
        if self._stream_request is None:
            super().on_message_begin()

    def on_message_complete(self) -> None:
        if self._stream_request is None:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        if not self._idle():  # the earlier request's answer would come within the WebSocket
            self._given = False
            self.refuse(
                ProblemCode.MALFORMED_REQUEST, "Wait for the responses to earlier requests before opening a WebSocket."
            )
            return
        # Called where the parser's exception, which tells the place in the segment, is being handled.
        upgrade = sys.exc_info()[1]
        assert isinstance(upgrade, httptools.HttpParserUpgrade)
        rest = self._segment[upgrade.args[0] :]
        super().handle_websocket_upgrade()
        if rest:
            cast("asyncio.Protocol", self.transport.get_protocol()).data_received(rest)

    def _choose_application(self) -> None:
        at_websocket = _WEBSOCKET_PATH.fullmatch(self.url) is not None
        self.app = self.websocket_only if at_websocket else self.config.loaded_app

    def _idle(self) -> bool:
        """Whether no earlier request on this connection waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _hand_over_stream(self, request: StreamRequest) -> None:
        self.hand_over()
        self.connections.discard(self)
        stream = self.stream_class(cast("set[Any]", self.connections))
        stream.connection_made(self.transport)
        self.transport.set_protocol(stream)
        stream.answer_request(request.method, request.job_id, request.query, request.headers, request.http_version)
