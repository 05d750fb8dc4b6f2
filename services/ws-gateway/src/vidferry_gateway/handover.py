"""uvicorn's HTTP protocol, but for two things: what comes behind a handshake, and requests for event streams."""

import asyncio
import re
import sys
from typing import Any, NamedTuple, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vidferry_gateway.buffer import SharedBuffer
from vidferry_gateway.events import EventStream

_PATH = re.compile(rb"(?:/[^?]*)?/sse/download/(?P<job>[^?]*)(?:\?(?P<query>.*))?")
"""Below any prefix: a proxy may keep its own or take it off."""


class Asked(NamedTuple):
    """A request for an event stream."""

    method: bytes
    job_id: str
    query: str
    headers: list[tuple[bytes, bytes]]


class HandoverProtocol(HttpToolsProtocol, SharedBuffer):
    """uvicorn's `http=` class wherever GatewaySocket is its `ws=` class.

    uvicorn rebuilds the request's text from its headers for the WebSocket protocol, and drops the rest of the segment:
    a ping that a client sent at once is never answered.

    An event stream is no answer of an application, which would hold a task and a large buffer: the connection is handed
    over to a protocol of its own, as a WebSocket's is.
    """

    stream: type[EventStream]
    _segment = b""
    _taken: Asked | None = None

    def data_received(self, data: bytes) -> None:
        self._segment = data
        super().data_received(data)
        self._segment = b""
        if self._taken is not None and not self.transport.is_closing():
            self._hand_over_stream(self._taken)

    def on_headers_complete(self) -> None:
        if self._taken is not None:
            return
        match = _PATH.fullmatch(self.url)
        if match is None or self.parser.should_upgrade() or not self._idle():
            super().on_headers_complete()
            return
        job, query = match["job"].decode("latin-1"), (match["query"] or b"").decode("latin-1")
        self._taken = Asked(self.parser.get_method(), job, query, [*self.headers])

    def on_body(self, body: bytes) -> None:
        if self._taken is None:
            super().on_body(body)

    def on_message_begin(self) -> None:
        # What a client sends behind its request for a stream is no second request.
        if self._taken is None:
            super().on_message_begin()

    def on_message_complete(self) -> None:
        if self._taken is None:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        # Called where the parser's exception, which tells the place in the segment, is being handled.
        upgrade = sys.exc_info()[1]
        assert isinstance(upgrade, httptools.HttpParserUpgrade)
        rest = self._segment[upgrade.args[0] :]
        super().handle_websocket_upgrade()
        if rest:
            cast("asyncio.Protocol", self.transport.get_protocol()).data_received(rest)

    def _idle(self) -> bool:
        """Whether no earlier request on this connection waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _hand_over_stream(self, asked: Asked) -> None:
        self.connections.discard(self)
        stream = self.stream(cast("set[Any]", self.connections))
        stream.connection_made(self.transport)
        self.transport.set_protocol(stream)
        forwarded_for = [value.decode("latin-1") for name, value in asked.headers if name == b"x-forwarded-for"]
        stream.asked(asked.method, asked.job_id, asked.query, dict(asked.headers), forwarded_for)
