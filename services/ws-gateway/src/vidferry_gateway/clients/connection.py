"""A client's connection: what waits to be written to it, in one write an iteration, bounded where it does not read.

No task, no queue and no timer belongs to one.
"""

import asyncio
import logging
import os
import re
import socket
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, cast
from urllib.parse import parse_qs

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.messages import Cursor
from vidferry_gateway.admission import Admission
from vidferry_gateway.buffer import SharedBuffer
from vidferry_gateway.clients.registry import ConnectionRegistry
from vidferry_gateway.hub import Hub
from vidferry_gateway.message import Kind
from vidferry_gateway.settings import GatewaySettings

HIGH_WATER = 16 * 1024
"""Bytes that wait in the process, and as many in the kernel, before a client counts as slow."""
MAX_REQUIRED_BYTES = 256 * 1024
"""Bytes kept for a slow client of what can't be skipped."""

JOB_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_log = logging.getLogger(__name__)


class GatewayServices(Protocol):
    """The parts of its gateway that a connection uses."""

    @property
    def settings(self) -> GatewaySettings: ...

    @property
    def hub(self) -> Hub: ...

    @property
    def connections(self) -> ConnectionRegistry: ...

    @property
    def admission(self) -> Admission: ...

    def refusal(self, origin: str | None, address: str) -> CloseCode | None:
        """Why a client is turned away whatever it asks for; None lets it in."""


class ClientConnection(SharedBuffer):
    """The connection of one client, and the buffer of what is written to it.

    A subclass says how a message, a close and a sign of life look, and watches: by itself, or by others.
    """

    __slots__ = (
        "_address", "_clear", "_close_code", "_fd", "_flush_scheduled", "_latest_progress", "_open", "_outgoing",
        "_paused", "_required_bytes", "_server_connections", "_transport", "slot", "unanswered",
    )  # fmt: skip

    services: ClassVar[GatewayServices]

    def __init__(self, connections: set[Any]) -> None:
        # uvicorn's own shutdown closes what is in this set, and waits until it is empty.
        self._server_connections = connections
        self._transport: asyncio.Transport
        self._address: str | None = None
        """as admission counts it, once it was let in"""
        self._open = False
        self._close_code: CloseCode | None = None
        """why it ends, until that is said"""
        self._fd = -1
        """of the connection, where what is written goes out as it is: not below TLS"""
        self._clear = False
        """nothing waits here or in the transport, so that a message may go to the kernel at once"""
        self._outgoing: list[bytes] = []
        self._latest_progress: dict[str, bytes] | None = None
        """each job's newest progress, while the client does not take what it is sent"""
        self._required_bytes = 0
        """of what was enqueued since the client paused and must arrive"""
        self._paused = False
        self._flush_scheduled = False
        self.slot = -1
        self.unanswered = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server_connections.add(self)
        # Here and not on the listener: what uvicorn serves beside this keeps its large buffers.
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HIGH_WATER)
            self._fd = -1 if transport.get_extra_info("sslcontext") else raw.fileno()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._discard_output()
        self.services.connections.forget(self)
        if self._address is not None:
            self.services.admission.release(self._address)
        self._server_connections.discard(self)

    def pause_writing(self) -> None:
        self._paused, self._clear = True, False
        # A client that doesn't take its answers is not read either: nothing it sends can make this end hold more.
        self._transport.pause_reading()
        if self._open:
            self.services.connections.mark_slow(self)

    def resume_writing(self) -> None:
        self._paused = False
        self._required_bytes = 0
        self._transport.resume_reading()
        self.services.connections.unmark_slow(self)
        if self._latest_progress:
            self._outgoing.extend(self._latest_progress.values())
        self._latest_progress = None
        if self._outgoing:
            self._schedule_flush()

    # uvicorn

    def shutdown(self) -> None:
        """The server stops."""
        self.end(CloseCode.DRAINING)

    # The common timer and flush

    def flush(self) -> int:
        """Writes what is enqueued, and the end where there is one; returns how many messages that was."""
        self._flush_scheduled = False
        out = self._outgoing
        count = len(out)
        if self._close_code is not None:
            out.extend(self.close_frames(self._close_code))
            self._close_code = None
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            # Before the write: it may find that the client has gone, or does not take it.
            out.clear()
            self._write(data)
        return count

    def ping(self) -> None:
        """Sends a sign of life."""
        raise NotImplementedError

    def close_unresponsive(self) -> None:
        """Ends the connection, whose client did not answer a ping in time."""
        raise NotImplementedError

    def end(self, code: CloseCode) -> None:
        """Sends what is enqueued, then the end; a client that is too slow gets the end alone."""
        if not self._open:
            return
        if code is CloseCode.TOO_SLOW:
            _log.info("client is too slow", extra=self._log_fields())
            self._outgoing.clear()
        elif self._latest_progress:
            self._outgoing.extend(self._latest_progress.values())
        self._latest_progress = None
        self._close_code = code
        self._leave_hub()
        self._schedule_flush()

    def abort(self) -> None:
        self._transport.abort()

    def buffered_bytes(self) -> int:
        """Bytes that wait in this process."""
        held = sum(map(len, self._outgoing)) + sum(map(len, (self._latest_progress or {}).values()))
        return held + self._transport.get_write_buffer_size()

    # For subclasses

    def enqueue(self, job_id: str, data: bytes, kind: Kind) -> None:
        """Adds a job's message to the next flush; to a slow client progress is left out once there is newer."""
        if not self._paused:
            self._outgoing.append(data)
            self._schedule_flush()
            return
        self.services.connections.metrics.messages_held += 1
        if kind is Kind.PROGRESS:
            if self._latest_progress is None:
                self._latest_progress = {}
            self._latest_progress[job_id] = data
        else:
            if kind is Kind.STEP and self._latest_progress:
                self._latest_progress.pop(job_id, None)
            self.enqueue_required(data)

    def enqueue_required(self, data: bytes) -> None:
        """Adds what must arrive to the next flush."""
        self._outgoing.append(data)
        if not self._paused:
            self._schedule_flush()
            return
        self._required_bytes += len(data)
        if self._required_bytes > MAX_REQUIRED_BYTES:
            self._outgoing.clear()
            self.services.connections.mark_too_slow(self)

    def forget_progress(self, job_id: str) -> None:
        """The client does not want a job's progress any more."""
        if self._latest_progress:
            self._latest_progress.pop(job_id, None)

    def _ask_admission(self, origin: str | None, forwarded_for: Sequence[str]) -> CloseCode | None:
        """Returns why the client is turned away, else counts it from now on and returns None."""
        address = self.services.admission.client_address(self._endpoint_host("peername"), forwarded_for)
        code = self.services.refusal(origin, address)
        if code is None:
            self._address = address
            self.services.admission.admit(address)
        return code

    def _host_refusal(self, headers: Sequence[tuple[bytes, bytes]], http_version: str) -> ProblemCode | None:
        """Why the request is refused for the host that it names; None where it is not."""
        reached, peer = self._endpoint_host("sockname"), self._endpoint_host("peername")
        return self.services.admission.host_refusal(headers, http_version, reached, peer)

    def _endpoint_host(self, which: str) -> str:
        """The address of this side or the client's; empty where it is none, as with Unix sockets."""
        found = self._transport.get_extra_info(which)
        return str(found[0]) if isinstance(found, tuple) else ""

    def _send_now(self, data: bytes) -> None:
        """Writes past the transport, which would check again what is known here; it gets what the kernel leaves."""
        try:
            taken = os.write(self._fd, data)
        except OSError:  # the transport meets it too, and knows what it means
            taken = 0
        if taken != len(data):
            self._write(data[taken:])

    def _register(self) -> None:
        self._open = True
        self.services.connections.add(self)

    def _discard_output(self) -> None:
        """Nothing is written any more, and the hub forgets the client."""
        self._outgoing.clear()
        self._latest_progress = self._close_code = None
        if self._open:
            self._leave_hub()

    def _leave_hub(self) -> None:
        self._open = self._clear = False
        self._stop_watching()
        self.services.connections.remove(self)

    def _schedule_flush(self) -> None:
        self._clear = False
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self.services.connections.schedule_flush(self)

    def _write(self, data: bytes) -> None:
        if data:
            self._transport.write(data)
            empty = not (self._flush_scheduled or self._transport.get_write_buffer_size())
            self._clear = self._open and self._fd >= 0 and empty

    def _stop_watching(self) -> None:
        """Tells the hub that the client is gone."""
        raise NotImplementedError

    def close_frames(self, code: CloseCode) -> Sequence[bytes]:
        """Returns the bytes that tell the client of the end; the connection has to be gone soon."""
        raise NotImplementedError

    def _log_fields(self) -> dict[str, str]:
        """What the log says of it."""
        raise NotImplementedError


def cursor_from_query(query: str) -> Cursor | None:
    """`?after=`; what is no cursor counts as none."""
    return Cursor.parse(parse_qs(query).get("after", [""])[-1]) if query else None
