"""uvicorn's HTTP protocol with three changes: bytes sent right after a WebSocket handshake are kept, requests for event
streams are handed over, and WebSocket paths are refused without an upgrade. Requests are bounded as in all services.
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

_STREAM_PATH = re.compile(rb"(?:/[^?]*)?/sse/download/(?P<job>[^?]*)(?:\?(?P<query>.*))?")
"""With any prefix: a proxy may pass its own on or strip it."""
_WEBSOCKET_PATH = re.compile(rb"(?:/[^?]*)?/ws/download(?:s|/[^?]*)(?:\?.*)?")


class StreamRequest(NamedTuple):
    """A request for an event stream."""

    method: bytes
    job_id: str
    query: str
    headers: list[tuple[bytes, bytes]]
    http_version: str


class GatewayHttpProtocol(BoundedRequests, HttpToolsProtocol, SharedBuffer):
    """uvicorn's `http=` class, to be used with GatewayWebSocketProtocol as its `ws=` class.

    For a WebSocket, uvicorn rebuilds the request's text from its headers and drops what else has been read, so that a
    ping sent right after the handshake would never be answered. Here the rest is passed on.

    An event stream is not answered by an ASGI application, which would keep a task and a large buffer. The connection
    is handed over to a protocol of its own, as for a WebSocket.
    """

    max_connections = 10_000
    """enough for the handshakes of all clients that reconnect at the same time"""
    stream_class: type[EventStream]
    refuse_without_upgrade: App
    """answers requests at a WebSocket path that don't ask for an upgrade"""
    _stream_request: StreamRequest | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._stream_request is not None and not self.transport.is_closing():
            self._hand_over_stream(self._stream_request)

    def accept_request(self) -> None:
        """Keeps a request for an event stream; leaves everything else to an application or the upgrade."""
        match = None if self.parser.should_upgrade() else _STREAM_PATH.fullmatch(self.url)
        if match is None or not self._has_answered_all():
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
        # Whatever a client sends after its request for a stream is ignored.
        if self._stream_request is None:
            super().on_message_begin()

    def on_message_complete(self) -> None:
        if self._stream_request is None:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        if not self._has_answered_all():  # the earlier answer would end up inside the WebSocket
            self._given = False
            self.refuse(
                ProblemCode.MALFORMED_REQUEST, "Wait for the responses to earlier requests before opening a WebSocket."
            )
            return
        # The caller is handling the parser's exception, which holds the offset of the rest.
        upgrade = sys.exc_info()[1]
        assert isinstance(upgrade, httptools.HttpParserUpgrade)
        rest = self._segment[upgrade.args[0] :]
        super().handle_websocket_upgrade()
        if rest:
            cast("asyncio.Protocol", self.transport.get_protocol()).data_received(rest)

    def _choose_application(self) -> None:
        at_websocket = _WEBSOCKET_PATH.fullmatch(self.url) is not None
        self.app = self.refuse_without_upgrade if at_websocket else self.config.loaded_app

    def _has_answered_all(self) -> bool:
        """Whether no earlier request on this connection still waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _hand_over_stream(self, request: StreamRequest) -> None:
        self.hand_over()
        self.connections.discard(self)
        stream = self.stream_class(cast("set[Any]", self.connections))
        stream.connection_made(self.transport)
        self.transport.set_protocol(stream)
        stream.answer_request(request.method, request.job_id, request.query, request.headers, request.http_version)
