"""Server-Sent Events: the messages of a job in an HTTP response that stays open.

Each message is an event with its cursor as id, so that a browser's EventSource resumes from there (`Last-Event-ID`).
The last event is `close`, with the same codes as a WebSocket's. An EventSource reconnects after every end. If it
reconnects after its job's last message, the answer is 204, which makes it stop, and so does any refusal that a
repetition can't change.

Many clients take every blank line for the end of an event, so blank lines only follow data: `retry` is a field of the
first event, and the keepalive is a comment line without a blank line.
"""

import asyncio
import random
import socket
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.http import problems
from vidferry_common.http.problems import response_head
from vidferry_gateway import frames
from vidferry_gateway.clients.connection import JOB_ID, ClientConnection, cursor_from_query
from vidferry_gateway.message import Message, MessageKind, OutgoingMessage

_ABNORMAL = 1006
_RETRY_MS = (1000, 3000)
"""after an unexpected end; random, so that the clients of a stopped gateway don't all reconnect at once"""
_RETRY_AFTER_REFUSAL_MS = (5000, 15000)
"""after a refusal"""
_STREAM = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "X-Accel-Buffering": "no",  # else nginx holds events back until its buffer is full
}
_METHODS = {"Allow": "GET, HEAD, OPTIONS"}
_PREFLIGHT = {
    **_METHODS,
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "last-event-id",
    "Access-Control-Max-Age": "3600",
}

Headers = Sequence[tuple[bytes, bytes]]
"""in order, with lower-case names"""


class EventStream(ClientConnection):
    """A client's event stream, which watches one job."""

    __slots__ = (
        "_client_saw_end",
        "_cors_headers",
        "_counted_as_opened",
        "_first_close_code",
        "_head_only",
        "_head_sent",
        "_retry",
        "after",
        "job_id",
    )

    def __init__(self, connections: set[Any]) -> None:
        super().__init__(connections)
        self._head_sent = False
        """whether status and headers have been sent"""
        self._head_only = False
        """whether the method was HEAD, so that there is no body"""
        self._retry = b""
        """the `retry` field, until it was sent with the first event"""
        self._counted_as_opened = False
        """whether it counts as an opened connection; one that is answered with a status alone does not"""
        self._client_saw_end = False
        """whether the client had already received the job's last message"""
        self._first_close_code = _ABNORMAL
        self._cors_headers: dict[str, str] = {}
        self.job_id = ""
        self.after: Cursor | None = None

    def answer_request(self, method: bytes, job_id: str, query: str, headers: Headers, http_version: str) -> None:
        """Answers the request with the stream or a refusal."""
        by_name = dict(headers)
        forwarded_for = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
        origin = by_name[b"origin"].decode("latin-1") if b"origin" in by_name else None
        if allowed := self.services.admission.cors_origin(origin):
            self._cors_headers = {"Access-Control-Allow-Origin": allowed, "Vary": "Origin"}
        self._head_only = method == b"HEAD"
        if host_refusal := self._host_refusal(headers, http_version):
            self._send_problem(host_refusal, problems.HOST_DETAILS[host_refusal])
        elif method == b"OPTIONS":
            self._answer_empty(HTTPStatus.NO_CONTENT, _PREFLIGHT)
        elif method not in {b"GET", b"HEAD"}:
            self._send_problem(ProblemCode.METHOD_NOT_ALLOWED, "Use GET.", _METHODS)
        else:
            last_event_id = Cursor.parse(by_name.get(b"last-event-id", b"").decode("latin-1"))
            self._start_watching(job_id.lower(), last_event_id, query, origin, forwarded_for)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._counted_as_opened:
            self.services.connections.metrics.connection_closed(self._first_close_code)

    def data_received(self, data: bytes) -> None:
        """Ignores whatever the client sends after its request."""

    # Called by the hub

    def deliver(self, message: OutgoingMessage, kind: MessageKind) -> None:
        if not self._head_sent:
            if isinstance(message, Message) and message.terminal and not message.is_after(self.after):
                self._client_saw_end = True
                return
            self._send_head(_RETRY_MS)
        if not self._head_only:
            self.enqueue(self.job_id, self._take_retry() + message.event, kind)

    def deliver_now(self, message: Message, kind: MessageKind) -> int:
        if not self._writable_now:
            self.deliver(message, kind)
            return 0
        self._send_now(message.event)
        return 1

    def end(self, code: CloseCode) -> None:
        if self._open:
            self._first_close_code = int(code)
        super().end(code)

    # Called by the registry

    def ping(self) -> None:
        """Sends a comment. Clients don't answer it: whether they are still there, the kernel finds out."""
        if self._paused:
            return
        if not self._head_sent:  # while Redis is slow, so that no proxy gives up
            self._send_head(_RETRY_MS)
        if not self._head_only:
            self._write(frames.KEEPALIVE)

    def close_unresponsive(self) -> None:
        """Never called: nothing answers the keepalive of an event stream."""

    # Internals

    def _start_watching(
        self,
        job_id: str,
        last_event_id: Cursor | None,
        query: str,
        origin: str | None,
        forwarded_for: Sequence[str],
    ) -> None:
        if not JOB_ID.fullmatch(job_id):
            self._send_problem(ProblemCode.JOB_NOT_FOUND, problems.JOB_NOT_FOUND)
            return
        refusal = self._ticket_refusal(query, job_id) or self._ask_admission(origin, forwarded_for)
        if refusal is CloseCode.TICKET_INVALID:
            code = ProblemCode.TICKET_INVALID
            self._send_problem(code, problems.TICKET_DETAILS[code], problems.CHALLENGE)
        elif refusal is CloseCode.ORIGIN_REFUSED:
            self._send_problem(ProblemCode.CORS_REFUSED, "Serve the page from an origin in VIDFERRY_GATEWAY_ORIGINS.")
        elif refusal is not None:
            # Not by a status: an EventSource would not reconnect after it, and a page would not learn that its ticket
            # has expired.
            self._count_opened()
            self._first_close_code = int(refusal)
            self._send_head(_RETRY_AFTER_REFUSAL_MS)
            self._write(b"".join(self.close_frames(refusal)))
        else:
            self._count_opened()
            self._set_user_timeout()
            self.job_id, self.after = job_id, last_event_id or cursor_from_query(query)
            self._mark_open()
            self.services.hub.join(self)

    def _count_opened(self) -> None:
        self._counted_as_opened = True
        self.services.connections.metrics.connections_opened += 1

    def _set_user_timeout(self) -> None:
        """Has the kernel close the connection if the client acknowledges nothing for that long (Linux, tcp(7))."""
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
            settings = self.services.settings
            seconds = settings.gateway_ping_seconds + settings.gateway_pong_seconds
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))

    def _send_head(self, retry: tuple[int, int]) -> None:
        self._head_sent = True
        self._transport.write(response_head(HTTPStatus.OK, {**_STREAM, **self._cors_headers}))
        if self._head_only:
            self._close_soon()
        else:
            self._retry = b"retry: %d\n" % random.randint(*retry)  # noqa: S311 - spreads load, guards nothing

    def _take_retry(self) -> bytes:
        """Returns the `retry` field before the first event, and nothing before later ones."""
        retry, self._retry = self._retry, b""
        return retry

    def _stop_watching(self) -> None:
        self.services.hub.leave(self)

    def close_frames(self, code: CloseCode) -> Sequence[bytes]:
        if self._head_sent and self._head_only:
            return ()
        if self._head_sent:
            self._close_soon()
            return (self._take_retry() + frames.sse_event(orjson.dumps({"code": int(code)}), name="close"),)
        if code is CloseCode.NO_SUCH_JOB:
            self._send_problem(ProblemCode.JOB_NOT_FOUND, problems.JOB_NOT_FOUND)
        elif self._client_saw_end:
            self._answer_empty(HTTPStatus.NO_CONTENT, {})
        else:
            self._send_head(_RETRY_MS)
            return self.close_frames(code)
        return ()

    def _send_problem(self, code: ProblemCode, detail: str, headers: Mapping[str, str] | None = None) -> None:
        fields = {**problems.problem_headers(code, headers), **self._cors_headers}
        self._transport.write(problems.problem_bytes(code, detail, fields, body=not self._head_only))
        self._close_soon()

    def _answer_empty(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        """Sends a response without a body."""
        self._transport.write(response_head(status, {**headers, **self._cors_headers}))
        self._close_soon()

    def _close_soon(self) -> None:
        """Closes after what is being written now. A client that does not read it is disconnected by a deadline."""
        self.services.connections.expect_close(self)
        asyncio.get_running_loop().call_soon(self._transport.close)

    def _log_fields(self) -> dict[str, str]:
        return {"job_id": self.job_id, "trace_id": self.services.hub.find_trace(self.job_id)}
