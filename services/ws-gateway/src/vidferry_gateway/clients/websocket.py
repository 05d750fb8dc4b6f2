"""A client's WebSocket: handshake, messages in both directions, pings and close."""

import codecs
import logging
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from websockets.frames import CloseCode as StandardCloseCode
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, Side, State

from vidferry_common.contract import subscriptions
from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.contract.tickets import ticket_in_query
from vidferry_gateway import frames
from vidferry_gateway.clients.connection import JOB_ID, ClientConnection, cursor_from_query
from vidferry_gateway.clients.handshake import answer_handshake, header_pairs, parse_request
from vidferry_gateway.clients.subscription_tickets import SubscriptionTickets
from vidferry_gateway.clients.subscriptions import Subscriptions
from vidferry_gateway.message import Message, MessageKind, OutgoingMessage

MAX_CLIENT_MESSAGE = 4096

_PATH = re.compile(r"(?:/.*)?/ws/download(?:s|/(?P<job>.*))")
"""With any prefix: a proxy may pass its own on or strip it."""
_VISIBLE_PING = frames.visible_ping(subscriptions.PING)
_PONG = b"\x8a\x80"
"""the header of a client's empty pong; a mask of four bytes follows"""
_PONG_SIZE = 6

_log = logging.getLogger(__name__)
_core_log = logging.getLogger("websockets.server")
_Utf8 = codecs.getincrementaldecoder("utf-8")


class TolerantProtocol(Protocol):
    """The websockets library's state machine, but a close within a fragmented message is allowed (RFC 6455 §5.4)."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None  # else the library treats it as a protocol error (1002)
        super().recv_frame(frame)


class WebSocketConnection(ClientConnection):
    """A client's WebSocket. It watches one job, as the hub's watcher itself, or many jobs by subscriptions."""

    __slots__ = ("_accepted", "_core", "_decoder", "_ping", "_refused", "_subscriptions", "_text", "after", "job_id")

    def __init__(self, connections: set[Any]) -> None:
        super().__init__(connections)
        self._core: Protocol | None = None
        """the websockets library's state machine; made for the first frame that needs it"""
        self._accepted = False
        """whether the handshake succeeded"""
        self._refused = False
        """whether the handshake failed"""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text = ""
        self._ping = frames.PING
        self._subscriptions: Subscriptions | None = None
        self.job_id = ""
        self.after: Cursor | None = None

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if not self._accepted:
            if not self._refused:
                self._answer_handshake(parse_request(data))
            return
        if self._core is None and len(data) == _PONG_SIZE and data.startswith(_PONG):
            self.unanswered = False
            return
        core = self._state_machine()
        core.receive_data(data)
        for event in core.events_received():
            if isinstance(event, Frame):
                self._handle_frame(event, core)
        if core.state is not State.OPEN:
            self._discard_output()
        self._write_core_output(core)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._accepted:
            self.services.connections.metrics.connection_closed(self._first_close_code())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._subscriptions is not None:
            self._subscriptions.join_waiting()

    # Called by the hub

    def deliver(self, message: OutgoingMessage, kind: MessageKind) -> None:
        self.enqueue(self.job_id, message.frame, kind)

    def deliver_now(self, message: Message, kind: MessageKind) -> int:
        if not self._writable_now:
            self.enqueue(self.job_id, message.frame, kind)
            return 0
        self._send_now(message.frame)
        return 1

    # Called by the registry

    def flush(self) -> int:
        count = super().flush()
        if self._subscriptions is not None:
            self._subscriptions.join_waiting()
        return count

    def ping(self) -> None:
        if not self._paused:
            self.unanswered = True
            self._write(self._ping)

    def close_unresponsive(self) -> None:
        self._fail_connection(StandardCloseCode.INTERNAL_ERROR, "keepalive ping timeout")

    # The handshake

    def _answer_handshake(self, request: Request) -> None:
        path, _, query = request.path.partition("?")
        match = _PATH.fullmatch(path)
        # HTTP/1.1 is the only version with WebSockets (RFC 6455 §4.1).
        host_refusal = self._host_refusal(header_pairs(request), "1.1")
        accepted, response = answer_handshake(request, host_refusal=host_refusal, known_path=match is not None)
        self._transport.write(response)
        if match is None or not accepted:
            self._refused = True
            self._end_stream()
            return
        self._accepted = True
        self.services.connections.metrics.connections_opened += 1
        refusal = self._start_watching(match["job"], query, request)
        if refusal is not None:
            # Browsers hide the status of a failed upgrade from scripts, so the refusal is a close code.
            self._write(b"".join(self.close_frames(refusal)))

    def _start_watching(self, job: str | None, query: str, request: Request) -> CloseCode | None:
        job_id = job.lower() if job is not None else ""
        refusal: CloseCode | None = None
        if job is not None and not JOB_ID.fullmatch(job_id):
            refusal = CloseCode.NO_SUCH_JOB
        refusal = refusal or self._ticket_refusal(query, job_id)
        headers = request.headers
        refusal = refusal or self._ask_admission(headers.get("Origin"), headers.get_all("X-Forwarded-For"))
        if refusal is not None:
            _log.debug("refused", extra={"job_id": job_id, "code": int(refusal)})
            return refusal
        if query and "pings" in parse_qs(query):
            self._ping = _VISIBLE_PING
        self._mark_open()
        if job is None:
            limit, tickets = self.services.settings.gateway_max_jobs_per_socket, self.services.tickets
            check = SubscriptionTickets(tickets, ticket_in_query(query)) if tickets else None
            self._subscriptions = Subscriptions(self, self.services.hub, limit, check)
        else:
            self.job_id, self.after = job_id, cursor_from_query(query)
            self.services.hub.join(self)
        return None

    # Internals

    @property
    def paused(self) -> bool:
        """Whether the client is slow."""
        return self._paused

    def _state_machine(self) -> Protocol:
        """The state machine, made on first use: a client that only answers pings does not need one."""
        if self._core is None:
            self._core = TolerantProtocol(Side.SERVER, state=State.OPEN, max_size=MAX_CLIENT_MESSAGE, logger=_core_log)
        return self._core

    def _handle_frame(self, frame: Frame, core: Protocol) -> None:
        if frame.opcode is Opcode.PONG:
            self.unanswered = False
        elif frame.opcode is Opcode.TEXT or (frame.opcode is Opcode.CONT and self._decoder is not None):
            try:
                self._handle_text(frame)
            except UnicodeDecodeError:
                # The library leaves this check to the application.
                if core.state is State.OPEN:
                    core.fail(StandardCloseCode.INVALID_DATA, "invalid UTF-8")
        elif frame.opcode is Opcode.BINARY and self._subscriptions is not None and self._open:
            self._subscriptions.handle_message("")

    def _handle_text(self, frame: Frame) -> None:
        """Decodes a text frame. While a single job is watched its text is ignored, but must still be valid."""
        decoder = self._decoder or _Utf8()
        text = decoder.decode(frame.data, frame.fin)
        self._decoder = None if frame.fin else decoder
        if self._subscriptions is None:
            return
        self._text += text
        if frame.fin:
            text, self._text = self._text, ""
            if self._open:
                self._subscriptions.handle_message(text)

    def _stop_watching(self) -> None:
        if self._subscriptions is not None:
            self._subscriptions.unsubscribe_all()
        elif self.job_id:
            self.services.hub.leave(self)

    def close_frames(self, code: CloseCode) -> Sequence[bytes]:
        core = self._state_machine()
        if core.state is not State.OPEN:
            return ()
        core.send_close(code)
        self.services.connections.expect_close(self)
        return core.data_to_send()

    def _fail_connection(self, code: StandardCloseCode, reason: str) -> None:
        core = self._state_machine()
        core.fail(code, reason)
        self._discard_output()
        self._write_core_output(core)

    def _first_close_code(self) -> int:
        """The close code of the side that closed first."""
        if self._core is None:
            return StandardCloseCode.ABNORMAL_CLOSURE
        sent, received = self._core.close_sent, self._core.close_rcvd
        first = received if self._core.close_rcvd_then_sent or sent is None else sent
        return StandardCloseCode.ABNORMAL_CLOSURE if first is None else first.code

    def _write_core_output(self, core: Protocol) -> None:
        """Writes the state machine's output; an empty chunk means the end of the stream."""
        chunks = core.data_to_send()
        self._write(b"".join(chunks))
        if chunks and not chunks[-1]:
            self._end_stream()

    def _end_stream(self) -> None:
        self.services.connections.expect_close(self)
        if self._transport.can_write_eof():
            # close() would reset the connection if unread bytes were left, and the client might miss the close frame.
            self._transport.write_eof()
        else:
            self._transport.close()

    def _log_fields(self) -> dict[str, str]:
        if not self.job_id:
            return {}
        return {"job_id": self.job_id, "trace_id": self.services.hub.find_trace(self.job_id)}
