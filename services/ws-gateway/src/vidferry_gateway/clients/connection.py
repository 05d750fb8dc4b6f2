"""A client's connection on its way out: what it is owed, one write an iteration, bounded where it does not read.

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
from vidferry_gateway.admission import Door
from vidferry_gateway.buffer import SharedBuffer
from vidferry_gateway.clients.registry import Sockets
from vidferry_gateway.hub import Hub
from vidferry_gateway.message import Kind
from vidferry_gateway.settings import GatewaySettings

HIGH_WATER = 16 * 1024
"""Bytes that wait in the process, and as many in the kernel, before a client counts as slow."""
MAX_OWED = 256 * 1024
"""Bytes kept for a slow client of what can't be skipped."""

JOB_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_log = logging.getLogger(__name__)


class Home(Protocol):
    """What a client's connection works with: its gateway."""

    @property
    def settings(self) -> GatewaySettings: ...

    @property
    def hub(self) -> Hub: ...

    @property
    def sockets(self) -> Sockets: ...

    @property
    def door(self) -> Door: ...

    def refusal(self, origin: str | None, address: str) -> CloseCode | None:
        """Why a client is turned away whatever it asks for; None lets it in."""


class Outlet(SharedBuffer):
    """A subclass says how a message, a close and a sign of life look, and watches: by itself, or by others."""

    __slots__ = (
        "_address", "_clear", "_code", "_connections", "_fd", "_latest", "_open", "_out", "_owed", "_paused", "_queued",
        "_transport", "slot", "unanswered",
    )  # fmt: skip

    home: ClassVar[Home]

    def __init__(self, connections: set[Any]) -> None:
        # uvicorn's own shutdown closes what is in this set, and waits until it is empty.
        self._connections = connections
        self._transport: asyncio.Transport
        self._address: str | None = None
        """as the door counts it, once it was let in"""
        self._open = False
        self._code: CloseCode | None = None
        """why it ends, until that is said"""
        self._fd = -1
        """of the connection, where what is written goes out as it is: not below TLS"""
        self._clear = False
        """nothing is owed and nothing waits in the transport, so that a message may go to the kernel at once"""
        self._out: list[bytes] = []
        self._latest: dict[str, bytes] | None = None
        """each job's newest progress, while the client does not take what it is sent"""
        self._owed = 0
        self._paused = False
        self._queued = False
        self.slot = -1
        self.unanswered = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        # Here and not on the listener: what uvicorn serves beside this keeps its large buffers.
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HIGH_WATER)
            self._fd = -1 if transport.get_extra_info("sslcontext") else raw.fileno()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._leave()
        self.home.sockets.gone(self)
        if self._address is not None:
            self.home.door.leave(self._address)
        self._connections.discard(self)

    def pause_writing(self) -> None:
        self._paused, self._clear = True, False
        # A client that doesn't take its answers is not read either: nothing it sends can make this end hold more.
        self._transport.pause_reading()
        if self._open:
            self.home.sockets.paused(self)

    def resume_writing(self) -> None:
        self._paused = False
        self._owed = 0
        self._transport.resume_reading()
        self.home.sockets.resumed(self)
        if self._latest:
            self._out.extend(self._latest.values())
        self._latest = None
        if self._out:
            self._owe()

    # uvicorn

    def shutdown(self) -> None:
        """The server stops."""
        self.end(CloseCode.DRAINING)

    # The common timer and flush

    def flush(self) -> int:
        """Writes what is owed, and the end where there is one; how many messages that was."""
        self._queued = False
        out = self._out
        count = len(out)
        if self._code is not None:
            out.extend(self._farewell(self._code))
            self._code = None
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            # Before the write: it may find that the client has gone, or does not take it.
            out.clear()
            self._write(data)
        return count

    def ping(self) -> None:
        raise NotImplementedError

    def unresponsive(self) -> None:
        raise NotImplementedError

    def end(self, code: CloseCode) -> None:
        """Sends what is owed, then the end; a client that is too slow gets the end alone."""
        if not self._open:
            return
        if code is CloseCode.TOO_SLOW:
            _log.info("client is too slow", extra=self._names())
            self._out.clear()
        elif self._latest:
            self._out.extend(self._latest.values())
        self._latest = None
        self._code = code
        self._leave_hub()
        self._owe()

    def abort(self) -> None:
        self._transport.abort()

    def backlog(self) -> int:
        """Bytes that wait in this process."""
        held = sum(map(len, self._out)) + sum(map(len, (self._latest or {}).values()))
        return held + self._transport.get_write_buffer_size()

    # For subclasses

    def put(self, job_id: str, data: bytes, kind: Kind) -> None:
        """Owes the client a job's message; one that is passed by a newer is left out where the client is slow."""
        if not self._paused:
            self._out.append(data)
            self._owe()
            return
        self.home.sockets.traffic.held += 1
        if kind is Kind.PROGRESS:
            if self._latest is None:
                self._latest = {}
            self._latest[job_id] = data
        else:
            if kind is Kind.STEP and self._latest:
                self._latest.pop(job_id, None)
            self.keep(data)

    def keep(self, data: bytes) -> None:
        """Owes the client what must arrive."""
        self._out.append(data)
        if not self._paused:
            self._owe()
            return
        self._owed += len(data)
        if self._owed > MAX_OWED:
            self._out.clear()
            self.home.sockets.too_slow(self)

    def drop(self, job_id: str) -> None:
        """The client does not want a job's progress any more."""
        if self._latest:
            self._latest.pop(job_id, None)

    def _refusal(self, origin: str | None, forwarded_for: Sequence[str]) -> CloseCode | None:
        """Looks at who comes; who is let in counts from now on."""
        address = self.home.door.address(self._end_of_connection("peername"), forwarded_for)
        code = self.home.refusal(origin, address)
        if code is None:
            self._address = address
            self.home.door.enter(address)
        return code

    def _host_refusal(self, headers: Sequence[tuple[bytes, bytes]], http_version: str) -> ProblemCode | None:
        """Why the request is refused for the host that it names; None where it is not."""
        reached, peer = self._end_of_connection("sockname"), self._end_of_connection("peername")
        return self.home.door.host_refusal(headers, http_version, reached, peer)

    def _end_of_connection(self, which: str) -> str:
        """The address of this side or the client's; empty where it is none, as with Unix sockets."""
        found = self._transport.get_extra_info(which)
        return str(found[0]) if isinstance(found, tuple) else ""

    def _send_now(self, data: bytes) -> None:
        """Past the transport, which would look again at what is known here; it gets what the kernel does not take."""
        try:
            taken = os.write(self._fd, data)
        except OSError:  # the transport meets it too, and knows what it means
            taken = 0
        if taken != len(data):
            self._write(data[taken:])

    def _opened(self) -> None:
        self._open = True
        self.home.sockets.opened(self)

    def _leave(self) -> None:
        """Nothing is owed any more."""
        self._out.clear()
        self._latest = self._code = None
        if self._open:
            self._leave_hub()

    def _leave_hub(self) -> None:
        self._open = self._clear = False
        self._unwatch()
        self.home.sockets.left(self)

    def _owe(self) -> None:
        self._clear = False
        if not self._queued:
            self._queued = True
            self.home.sockets.owe(self)

    def _write(self, data: bytes) -> None:
        if data:
            self._transport.write(data)
            self._clear = self._open and self._fd >= 0 and not (self._queued or self._transport.get_write_buffer_size())

    def _unwatch(self) -> None:
        """Tells the hub that nothing more is owed."""
        raise NotImplementedError

    def _farewell(self, code: CloseCode) -> Sequence[bytes]:
        """The bytes that say the end; the connection has to be gone soon."""
        raise NotImplementedError

    def _names(self) -> dict[str, str]:
        """What the log calls it."""
        raise NotImplementedError


def cursor_in(query: str) -> Cursor | None:
    """`?after=`; what is no cursor counts as none."""
    return Cursor.parse(parse_qs(query).get("after", [""])[-1]) if query else None
