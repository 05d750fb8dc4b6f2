"""A client's connection: buffers what it is sent, writes once per iteration of the event loop, bounds slow clients.

A connection has no task, no queue and no timer of its own, so that ten thousands of them cost little.
"""

import asyncio
import logging
import os
import re
import socket
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, cast
from urllib.parse import parse_qs

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.contract.tickets import Purpose, TicketExpired, TicketInvalid, TicketSigner, ticket_in_query
from vidferry_gateway.admission import Admission
from vidferry_gateway.buffer import SharedBuffer
from vidferry_gateway.clients.registry import ConnectionRegistry
from vidferry_gateway.hub import Hub
from vidferry_gateway.message import MessageKind
from vidferry_gateway.settings import GatewaySettings

HIGH_WATER = 16 * 1024
"""Unsent bytes in the process, and as many in the kernel's buffer, above which a client counts as slow."""
MAX_REQUIRED_BYTES = 256 * 1024
"""The most bytes kept for a slow client that can't be skipped; above it the client is closed."""

JOB_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_log = logging.getLogger(__name__)


class GatewayServices(Protocol):
    """The parts of the gateway that its connections use."""

    @property
    def settings(self) -> GatewaySettings: ...

    @property
    def hub(self) -> Hub: ...

    @property
    def connections(self) -> ConnectionRegistry: ...

    @property
    def admission(self) -> Admission: ...

    @property
    def tickets(self) -> TicketSigner | None:
        """Checks tickets; None where access is open."""

    def client_refusal(self, origin: str | None, address: str) -> CloseCode | None:
        """Why a client is turned away, whatever it asks for; None if it is let in."""


class ClientConnection(SharedBuffer):
    """The connection of one client, and the buffer of what it is to be sent.

    A subclass says how messages, keepalives and the end look on the wire. It watches a job itself, or has watchers.
    """

    __slots__ = (
        "_address",
        "_close_code",
        "_fd",
        "_flush_scheduled",
        "_latest_progress",
        "_open",
        "_outgoing",
        "_paused",
        "_required_bytes",
        "_server_connections",
        "_transport",
        "_writable_now",
        "slot",
        "unanswered",
    )  # fmt: skip

    services: ClassVar[GatewayServices]

    owner: ClassVar[None] = None
    """for the hub: a connection that watches one job has that job's ticket, so the owner needs no check"""

    def __init__(self, connections: set[Any]) -> None:
        # uvicorn shuts down every connection in this set, and waits until the set is empty.
        self._server_connections = connections
        self._transport: asyncio.Transport
        self._address: str | None = None
        """the client's address as Admission counts it, once the client was let in"""
        self._open = False
        self._close_code: CloseCode | None = None
        """the close code that is still to be sent"""
        self._fd = -1
        """the socket's descriptor for direct writes; -1 below TLS, where bytes must pass the transport"""
        self._writable_now = False
        """nothing waits here or in the transport, so a message may be written to the kernel directly"""
        self._outgoing: list[bytes] = []
        self._latest_progress: dict[str, bytes] | None = None
        """each job's newest progress, while the client is slow"""
        self._required_bytes = 0
        """bytes that must arrive, enqueued since the client became slow"""
        self._paused = False
        self._flush_scheduled = False
        self.slot = -1
        self.unanswered = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server_connections.add(self)
        # Not on the listener: other requests that uvicorn serves keep its larger buffers.
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
        self._paused, self._writable_now = True, False
        # A client that does not read is not read from either, so nothing it sends can make the buffers grow.
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
        """Called by uvicorn when the server stops."""
        self.end(CloseCode.DRAINING)

    # Called by the registry

    def flush(self) -> int:
        """Writes what is enqueued, then the end if the connection ends. Returns the number of messages written."""
        self._flush_scheduled = False
        out = self._outgoing
        count = len(out)
        if self._close_code is not None:
            out.extend(self.close_frames(self._close_code))
            self._close_code = None
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            # Cleared first: the write may call back, because the client has gone or became slow.
            out.clear()
            self._write(data)
        return count

    def ping(self) -> None:
        """Sends a ping, or whatever keeps the connection alive."""
        raise NotImplementedError

    def close_unresponsive(self) -> None:
        """Closes the connection because the client did not answer a ping in time."""
        raise NotImplementedError

    def end(self, code: CloseCode) -> None:
        """Sends what is enqueued, then the end. A client that is too slow only gets the end."""
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
        """Bytes that wait in this process for the client."""
        enqueued = sum(map(len, self._outgoing)) + sum(map(len, (self._latest_progress or {}).values()))
        return enqueued + self._transport.get_write_buffer_size()

    # For subclasses

    def enqueue(self, job_id: str, data: bytes, kind: MessageKind) -> None:
        """Adds a job's message to the next flush. A slow client only gets the newest progress of each job."""
        if not self._paused:
            self._outgoing.append(data)
            self._schedule_flush()
            return
        self.services.connections.metrics.messages_held += 1
        if kind is MessageKind.PROGRESS:
            if self._latest_progress is None:
                self._latest_progress = {}
            self._latest_progress[job_id] = data
        else:
            if kind is MessageKind.STEP and self._latest_progress:
                self._latest_progress.pop(job_id, None)
            self.enqueue_required(data)

    def enqueue_required(self, data: bytes) -> None:
        """Adds bytes that must not be skipped to the next flush."""
        self._outgoing.append(data)
        if not self._paused:
            self._schedule_flush()
            return
        self._required_bytes += len(data)
        if self._required_bytes > MAX_REQUIRED_BYTES:
            self._outgoing.clear()
            self.services.connections.mark_too_slow(self)

    def forget_progress(self, job_id: str) -> None:
        """Drops a job's buffered progress, because the client unsubscribed from the job."""
        if self._latest_progress:
            self._latest_progress.pop(job_id, None)

    def _ticket_refusal(self, query: str, job_id: str) -> CloseCode | None:
        """Why the ticket in the query does not allow to watch that job; None if it does, or where access is open.

        Without a job, it is about the ticket of an owner, which may be missing.
        """
        tickets = self.services.tickets
        if tickets is None:
            return None
        ticket = ticket_in_query(query)
        try:
            if job_id:
                tickets.check_job_ticket(ticket or "", Purpose.WATCH, job_id, time.time())
            elif ticket is not None:
                tickets.check_owner_ticket(ticket, time.time())
        except TicketExpired:
            return CloseCode.TICKET_EXPIRED
        except TicketInvalid:
            return CloseCode.TICKET_INVALID
        return None

    def _ask_admission(self, origin: str | None, forwarded_for: Sequence[str]) -> CloseCode | None:
        """Lets the client in and counts it, or returns why it is turned away."""
        address = self.services.admission.client_address(self._endpoint_host("peername"), forwarded_for)
        code = self.services.client_refusal(origin, address)
        if code is None:
            self._address = address
            self.services.admission.admit(address)
        return code

    def _host_refusal(self, headers: Sequence[tuple[bytes, bytes]], http_version: str) -> ProblemCode | None:
        """Why the request is refused because of the host that it names; None if the host is accepted."""
        server, peer = self._endpoint_host("sockname"), self._endpoint_host("peername")
        return self.services.admission.host_refusal(headers, http_version, server, peer)

    def _endpoint_host(self, which: str) -> str:
        """The IP address of this side or of the client; empty for Unix sockets, which have none."""
        endpoint = self._transport.get_extra_info(which)
        return str(endpoint[0]) if isinstance(endpoint, tuple) else ""

    def _send_now(self, data: bytes) -> None:
        """Writes directly to the kernel, which saves the transport's checks. The transport gets what is left over."""
        try:
            written = os.write(self._fd, data)
        except OSError:  # the transport runs into the same error, and handles it
            written = 0
        if written != len(data):
            self._write(data[written:])

    def _mark_open(self) -> None:
        self._open = True
        self.services.connections.add(self)

    def _discard_output(self) -> None:
        """Drops what is enqueued, and stops watching."""
        self._outgoing.clear()
        self._latest_progress = self._close_code = None
        if self._open:
            self._leave_hub()

    def _leave_hub(self) -> None:
        self._open = self._writable_now = False
        self._stop_watching()
        self.services.connections.remove(self)

    def _schedule_flush(self) -> None:
        self._writable_now = False
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self.services.connections.schedule_flush(self)

    def _write(self, data: bytes) -> None:
        if data:
            self._transport.write(data)
            empty = not (self._flush_scheduled or self._transport.get_write_buffer_size())
            self._writable_now = self._open and self._fd >= 0 and empty

    def _stop_watching(self) -> None:
        """Removes the client's watchers from the hub."""
        raise NotImplementedError

    def close_frames(self, code: CloseCode) -> Sequence[bytes]:
        """Returns the bytes that tell the client of the end, and has the registry expect the close."""
        raise NotImplementedError

    def _log_fields(self) -> dict[str, str]:
        """The fields by which log lines identify the client."""
        raise NotImplementedError


def cursor_from_query(query: str) -> Cursor | None:
    """The cursor in `?after=`; None if there is none, or it is malformed."""
    return Cursor.parse(parse_qs(query).get("after", [""])[-1]) if query else None
