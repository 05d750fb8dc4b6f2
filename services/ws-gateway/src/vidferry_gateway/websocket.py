"""A WebSocket: what uvicorn makes of an upgraded connection when this is its `ws=` class.

uvicorn (0.54, `handle_websocket_upgrade`) builds it with config, server_state and app_state, calls connection_made,
hands it the request's text through data_received, and makes it the transport's protocol. No task, no queue and no
timer belongs to a socket.
"""

import asyncio
import codecs
import logging
import re
import socket
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, cast
from urllib.parse import parse_qs

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import CloseCode as Failure
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_gateway import frames
from vidferry_gateway.hub import Hub
from vidferry_gateway.message import Kind
from vidferry_gateway.sockets import Sockets

MAX_CLIENT_MESSAGE = 4096
HIGH_WATER = 16 * 1024
"""Bytes that wait in the process, and as many in the kernel, before a client counts as slow."""
MAX_OWED = 256 * 1024
"""Bytes kept for a slow client of what can't be skipped."""

_PATH = re.compile(r"(?:/.*)?/ws/download/(?P<job>.*)")
"""Below any prefix: a proxy may keep its own or take it off."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SWITCHING = 101

_log = logging.getLogger(__name__)
_core_log = logging.getLogger("websockets.server")
_Utf8 = codecs.getincrementaldecoder("utf-8")


class Home(Protocol):
    """What a socket works with: its gateway."""

    @property
    def hub(self) -> Hub: ...

    @property
    def sockets(self) -> Sockets: ...

    def refusal(self, request: Request) -> CloseCode | None:
        """Why a client is turned away whatever it asks for; None lets it in."""


class GatewaySocket(asyncio.Protocol):
    """A client's watch of one job."""

    __slots__ = (
        "_code", "_connections", "_core", "_counted", "_decoder", "_latest", "_open", "_out", "_owed", "_paused",
        "_queued", "_transport", "after", "job_id", "slot", "unanswered",
    )  # fmt: skip

    home: ClassVar[Home]

    def __init__(
        self,
        config: Config,  # noqa: ARG002 - uvicorn's hook
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn's hook
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # uvicorn's own shutdown closes what is in this set, and waits until it is empty.
        self._connections = cast("set[Any]", server_state.connections)
        self._core = ServerProtocol(max_size=MAX_CLIENT_MESSAGE, logger=_core_log)
        self._transport: asyncio.Transport
        self._decoder: codecs.IncrementalDecoder | None = None
        self._open = False
        self._code: CloseCode | None = None
        self._out: list[bytes] = []
        self._latest: bytes | None = None
        """the newest progress, while the client does not take what it is sent"""
        self._owed = 0
        self._paused = False
        self._queued = False
        self._counted = False
        """its handshake succeeded"""
        self.job_id = ""
        self.after: Cursor | None = None
        self.slot = -1
        self.unanswered = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        # Here and not on the listener: what uvicorn serves beside WebSockets keeps its large buffers.
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        self._core.receive_data(data)
        for event in self._core.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame):
                self._take(event)
        if self._core.state is not State.OPEN:
            self._leave()
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._leave()
        if self._counted:
            self.home.sockets.traffic.gone(self._first_close())
        self.home.sockets.gone(self)
        self._connections.discard(self)

    def pause_writing(self) -> None:
        self._paused = True
        # A client that doesn't take its pongs is not read either: nothing it sends can make this end hold more.
        self._transport.pause_reading()
        if self._open:
            self.home.sockets.paused(self)

    def resume_writing(self) -> None:
        self._paused = False
        self._owed = 0
        self._transport.resume_reading()
        self.home.sockets.resumed(self)
        if self._latest is not None:
            self._out.append(self._latest)
            self._latest = None
        if self._out:
            self._owe()

    # uvicorn

    def shutdown(self) -> None:
        """The server stops."""
        self.end(CloseCode.DRAINING)

    # The hub

    def deliver(self, frame: bytes, kind: Kind) -> None:
        if not self._paused:
            self._out.append(frame)
            self._owe()
            return
        self.home.sockets.traffic.held += 1
        if kind is Kind.PROGRESS:
            self._latest = frame
        else:
            if kind is Kind.STEP:
                self._latest = None
            self._keep(frame)

    def end(self, code: CloseCode) -> None:
        """Sends what is owed, then the close; a client that is too slow gets the close alone."""
        if not self._open:
            return
        if code is CloseCode.TOO_SLOW:
            _log.info("client is too slow", extra={"job_id": self.job_id})
            self._out.clear()
        elif self._latest is not None:
            self._out.append(self._latest)
        self._latest = None
        self._code = code
        self._open = False
        self.home.hub.leave(self)
        self.home.sockets.left(self)
        self._owe()

    # The sockets' common timer and flush

    def flush(self) -> None:
        self._queued = False
        out, self._out = self._out, []
        self.home.sockets.traffic.sent += len(out)
        if self._code is not None and self._core.state is State.OPEN:
            self._core.send_close(self._code)
            out += self._core.data_to_send()
            self.home.sockets.closing(self)
        self._write(out)

    def ping(self) -> None:
        if not self._paused:
            self.unanswered = True
            self._transport.write(frames.PING)

    def unresponsive(self) -> None:
        """A ping was not answered in time."""
        self._core.fail(Failure.INTERNAL_ERROR, "keepalive ping timeout")
        self._leave()
        self._pump()

    def abort(self) -> None:
        self._transport.abort()

    # The handshake

    def _answer(self, request: Request) -> None:
        path, _, query = request.path.partition("?")
        match = _PATH.fullmatch(path)
        if match is None:
            self._core.send_response(self._core.reject(404, "There is no WebSocket at this path.\n"))
            return
        response = self._core.accept(request)
        self._core.send_response(response)
        if response.status_code == _SWITCHING:
            self._counted = True
            self.home.sockets.traffic.opened += 1
            self._admit(match["job"].lower(), query, self.home.refusal(request))

    def _admit(self, job_id: str, query: str, refusal: CloseCode | None) -> None:
        """A browser doesn't see the status of a failed upgrade: who is turned away gets a close code."""
        if refusal is None and not _UUID.fullmatch(job_id):
            refusal = CloseCode.NO_SUCH_JOB
        if refusal is not None:
            _log.debug("refused", extra={"job_id": job_id, "code": int(refusal)})
            self._core.send_close(refusal)
            self.home.sockets.closing(self)
            return
        self.job_id = job_id
        self.after = Cursor.parse(parse_qs(query).get("after", [""])[-1])
        self._open = True
        self.home.sockets.opened(self)
        self.home.hub.join(self)

    # Within

    def _take(self, frame: Frame) -> None:
        """What clients say means nothing yet, but it has to be right."""
        if frame.opcode is Opcode.PONG:
            self.unanswered = False
        elif frame.opcode is Opcode.TEXT or (frame.opcode is Opcode.CONT and self._decoder is not None):
            try:
                self._check_utf8(frame)
            except UnicodeDecodeError:
                # The core leaves this check to the application.
                if self._core.state is State.OPEN:
                    self._core.fail(Failure.INVALID_DATA, "invalid UTF-8")

    def _check_utf8(self, frame: Frame) -> None:
        decoder = self._decoder or _Utf8()
        decoder.decode(frame.data, frame.fin)
        self._decoder = None if frame.fin else decoder

    def _keep(self, frame: bytes) -> None:
        self._owed += len(frame)
        if self._owed > MAX_OWED:
            self.home.sockets.too_slow(self)
        else:
            self._out.append(frame)

    def _leave(self) -> None:
        """Nothing is owed any more."""
        self._out.clear()
        self._latest = self._code = None
        if self._open:
            self._open = False
            self.home.hub.leave(self)
        self.home.sockets.left(self)

    def _first_close(self) -> int:
        """The code that began the close, this side's or the client's."""
        sent, received = self._core.close_sent, self._core.close_rcvd
        begun = received if self._core.close_rcvd_then_sent or sent is None else sent
        return Failure.ABNORMAL_CLOSURE if begun is None else begun.code

    def _owe(self) -> None:
        if not self._queued:
            self._queued = True
            self.home.sockets.owe(self)

    def _pump(self) -> None:
        """Writes what the core has to say; an empty chunk is the end of the stream."""
        chunks = self._core.data_to_send()
        self._write(chunks)
        if chunks and not chunks[-1]:
            self.home.sockets.closing(self)
            if self._transport.can_write_eof():
                # Not close(): with bytes of the client unread it would reset the connection under the close frame.
                self._transport.write_eof()
            else:
                self._transport.close()

    def _write(self, chunks: Iterable[bytes]) -> None:
        if data := b"".join(chunks):
            self._transport.write(data)
