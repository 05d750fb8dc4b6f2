"""Server-Sent Events: a job's messages as an answer that does not end, on the connection that HTTP was spoken on.

Each message is an event whose id is its cursor, so a browser's EventSource goes on from there (`Last-Event-ID`). The
stream's end is an event `close` with the same codes as a WebSocket's. An EventSource comes back after any end: one that
comes back after its job's last message is answered with 204, which tells it to stop, and so does any refusal that a
repetition can't change.

Many clients take each blank line for the end of an event, so one stands behind data alone: `retry` is a field of the
first event, and what keeps the connection alive is a comment line.
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
from vidferry_gateway.message import Kind, Message, Outgoing

_ABNORMAL = 1006
_RETRY_MS = (1000, 3000)
"""after an end that anything may have caused; spread, so that those whom a stop has cut off don't come back at once"""
_LATER_MS = (5000, 15000)
"""after a refusal"""
_STREAM = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "X-Accel-Buffering": "no",  # nginx would keep events back until its buffer is full
}
_METHODS = {"Allow": "GET, HEAD, OPTIONS"}
_PREFLIGHT = {
    **_METHODS,
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "last-event-id",
    "Access-Control-Max-Age": "3600",
}

Headers = Sequence[tuple[bytes, bytes]]
"""in their order, names in lower case"""


class EventStream(ClientConnection):
    """An event stream of a client that watches one job."""

    __slots__ = (
        "_cors",
        "_counted",
        "_first_close_code",
        "_head_only",
        "_head_sent",
        "_retry",
        "_seen_end",
        "after",
        "job_id",
    )

    def __init__(self, connections: set[Any]) -> None:
        super().__init__(connections)
        self._head_sent = False
        """the answer's head has been sent"""
        self._head_only = False
        """HEAD was asked: the answer ends with its head"""
        self._retry = b""
        """the field that goes with the first event"""
        self._counted = False
        """it is none that was answered with a status alone"""
        self._seen_end = False
        """the client has seen the job's last message before"""
        self._first_close_code = _ABNORMAL
        self._cors: dict[str, str] = {}
        self.job_id = ""
        self.after: Cursor | None = None

    def answer_request(self, method: bytes, job_id: str, query: str, headers: Headers, http_version: str) -> None:
        """Answers the request: with the stream, or with a refusal."""
        named = dict(headers)
        forwarded_for = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
        origin = named[b"origin"].decode("latin-1") if b"origin" in named else None
        if allowed := self.services.admission.cors_origin(origin):
            self._cors = {"Access-Control-Allow-Origin": allowed, "Vary": "Origin"}
        self._head_only = method == b"HEAD"
        if refused := self._host_refusal(headers, http_version):
            self._refuse(refused, problems.HOST_DETAILS[refused])
        elif method == b"OPTIONS":
            self._answer_empty(HTTPStatus.NO_CONTENT, _PREFLIGHT)
        elif method not in {b"GET", b"HEAD"}:
            self._refuse(ProblemCode.METHOD_NOT_ALLOWED, "Use GET.", _METHODS)
        else:
            last = Cursor.parse(named.get(b"last-event-id", b"").decode("latin-1"))
            self._start_watching(job_id.lower(), last or cursor_from_query(query), origin, forwarded_for)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._counted:
            self.services.connections.metrics.connection_closed(self._first_close_code)

    def data_received(self, data: bytes) -> None:
        """Whatever a client says behind its request means nothing here."""

    # The hub

    def deliver(self, message: Outgoing, kind: Kind) -> None:
        if not self._head_sent:
            if isinstance(message, Message) and message.terminal and not message.is_after(self.after):
                self._seen_end = True
                return
            self._send_head(_RETRY_MS)
        if not self._head_only:
            self.enqueue(self.job_id, self._take_retry() + message.event, kind)

    def deliver_at_once(self, message: Message, kind: Kind) -> int:
        if not self._clear:
            self.deliver(message, kind)
            return 0
        self._send_now(message.event)
        return 1

    def end(self, code: CloseCode) -> None:
        if self._open:
            self._first_close_code = int(code)
        super().end(code)

    # The common timer

    def ping(self) -> None:
        """Nobody answers a comment: whether the client is there, the kernel finds out."""
        if self._paused:
            return
        if not self._head_sent:  # Redis keeps it waiting, and a proxy would give up
            self._send_head(_RETRY_MS)
        if not self._head_only:
            self._write(frames.KEEPALIVE)

    def close_unresponsive(self) -> None:
        """Never called: an event stream has no pings to answer."""

    # Within

    def _start_watching(
        self, job_id: str, after: Cursor | None, origin: str | None, forwarded_for: Sequence[str]
    ) -> None:
        if not JOB_ID.fullmatch(job_id):
            self._refuse(ProblemCode.JOB_NOT_FOUND, problems.JOB_NOT_FOUND)
            return
        refusal = self._ask_admission(origin, forwarded_for)
        if refusal is CloseCode.ORIGIN_REFUSED:
            self._refuse(ProblemCode.CORS_REFUSED, "Serve the page from an origin in VIDFERRY_GATEWAY_ORIGINS.")
        elif refusal is not None:
            # Not with a status: an EventSource would never come back.
            self._count_opened()
            self._first_close_code = int(refusal)
            self._send_head(_LATER_MS)
            self._write(b"".join(self.close_frames(refusal)))
        else:
            self._count_opened()
            self._set_user_timeout()
            self.job_id, self.after = job_id, after
            self._register()
            self.services.hub.join(self)

    def _count_opened(self) -> None:
        self._counted = True
        self.services.connections.metrics.connections_opened += 1

    def _set_user_timeout(self) -> None:
        """A client that is gone without a word does not acknowledge what it is sent (Linux, tcp(7))."""
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
            settings = self.services.settings
            seconds = settings.gateway_ping_seconds + settings.gateway_pong_seconds
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))

    def _send_head(self, retry: tuple[int, int]) -> None:
        self._head_sent = True
        self._transport.write(response_head(HTTPStatus.OK, {**_STREAM, **self._cors}))
        if self._head_only:
            self._close_soon()
        else:
            self._retry = b"retry: %d\n" % random.randint(*retry)  # noqa: S311 - spreads load, guards nothing

    def _take_retry(self) -> bytes:
        """Returns what stands before an event: something before the first alone."""
        retry, self._retry = self._retry, b""
        return retry

    def _stop_watching(self) -> None:
        self.services.hub.leave(self)

    def close_frames(self, code: CloseCode) -> Sequence[bytes]:
        if self._head_sent and self._head_only:
            return ()
        if self._head_sent:
            self._close_soon()
            return (self._take_retry() + frames.event_of(orjson.dumps({"code": int(code)}), name="close"),)
        if code is CloseCode.NO_SUCH_JOB:
            self._refuse(ProblemCode.JOB_NOT_FOUND, problems.JOB_NOT_FOUND)
        elif self._seen_end:
            self._answer_empty(HTTPStatus.NO_CONTENT, {})
        else:
            self._send_head(_RETRY_MS)
            return self.close_frames(code)
        return ()

    def _refuse(self, code: ProblemCode, detail: str, headers: Mapping[str, str] | None = None) -> None:
        fields = {**problems.problem_headers(code, headers), **self._cors}
        self._transport.write(problems.problem_bytes(code, detail, fields, body=not self._head_only))
        self._close_soon()

    def _answer_empty(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        """An answer that has no body."""
        self._transport.write(response_head(status, {**headers, **self._cors}))
        self._close_soon()

    def _close_soon(self) -> None:
        """Once what is to be written now has been sent; a client that does not take it is cut."""
        self.services.connections.expect_close(self)
        asyncio.get_running_loop().call_soon(self._transport.close)

    def _log_fields(self) -> dict[str, str]:
        return {"job_id": self.job_id}
