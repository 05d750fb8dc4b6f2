"""One child, as its worker sees it: its process, and the line to it. What a child says is not trusted."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.text import redact_site_text
from vidferry_worker.children import wire
from vidferry_worker.children.connections import ChildConnections
from vidferry_worker.children.engine import UNKNOWN_ENGINE
from vidferry_worker.children.event_members import InvalidEventError
from vidferry_worker.children.event_parser import parse_event
from vidferry_worker.children.protocol import (
    ConnectRequest,
    DownloadOrder,
    Event,
    Extractors,
    Failed,
    LogLine,
    LookOrder,
    Order,
    Report,
)
from vidferry_worker.children.redaction import Redaction
from vidferry_worker.network.broker import Broker

logger = logging.getLogger(__name__)

MAX_EVENTS = 64
"""Events of one child that may wait to be taken. Then its line is read no further, so the child has to wait."""
EVENTS_A_SECOND, MAX_BURST = 500, 1000
"""of one child, of all kinds. A fast site's many fragments take a tenth of it."""
PAUSE_SECONDS = 0.1


class ChildEnded(Exception):
    """The child ended without saying how its download went."""


class Child:
    """One child of a worker: what it reports, what it is ordered, and its end."""

    def __init__(self, channel: socket.socket, broker: Broker, kill: Callable[["Child"], None], folder: Path) -> None:
        self._channel, self._kill = channel, kill
        self.folder = folder
        self.connections = ChildConnections(broker, self._send)
        self._reports: asyncio.Queue[Report | None] = asyncio.Queue()
        self._is_reading, self._has_ended = False, False
        self._allowance = EventAllowance()
        self._redaction: Redaction | None = None
        """None where it was sent no cookies"""
        self.pid = 0
        self.is_of_bundle = False
        """whether processes of its zygote's bundle may still write to its files when it has ended"""
        self.engine = UNKNOWN_ENGINE
        """the yt-dlp that it runs"""
        self.max_cpu_seconds: float | None = None
        """that the child and its programs may have used by now; None where only the kernel's limit holds"""
        self.extractors: frozenset[str] = frozenset()
        """that the child named before its first connection, so before any site could have influenced it"""
        self.forked: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        channel.setblocking(False)
        wire.refuse_files(channel)
        self._resume_reading()

    def send_order(self, order: Order) -> None:
        if isinstance(order, DownloadOrder | LookOrder) and order.cookies:
            self._redaction = Redaction(order.cookies, order.url)
        self._send(order.to_message())

    async def next_report(self) -> Report:
        """The next report of the child; ChildEnded where it ended instead."""
        report = await self._reports.get()
        self._resume_reading()
        if report is None:
            raise ChildEnded
        return report

    def fail(self, code: ErrorCode, detail: str) -> None:
        """Ends the child; its next report is that it failed."""
        self._reports.put_nowait(Failed(code, detail))
        self._kill(self)

    async def close(self) -> None:
        """Ends the child and everything it started; returns when all of it is gone. May be called again."""
        if self._channel.fileno() < 0:
            return
        self._has_ended = True
        self._pause_reading()
        await self.forked
        self._kill(self)
        await self.exited
        await self.connections.close()
        self._channel.close()

    def _resume_reading(self) -> None:
        """Reads the child's line, unless enough reports wait already or it has sent too much of late."""
        if self._is_reading or self._has_ended or self._reports.qsize() >= MAX_EVENTS:
            return
        loop = asyncio.get_running_loop()
        if not self._allowance.refill():
            loop.call_later(PAUSE_SECONDS, self._resume_reading)
            return
        loop.add_reader(self._channel, self._read_event)
        self._is_reading = True

    def _pause_reading(self) -> None:
        if self._is_reading:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._is_reading = False

    def _read_event(self) -> None:
        try:
            message = wire.receive_without_files(self._channel)
            if message is not None and self._redaction is not None:
                message = self._redaction.hide_values(message)
            event = parse_event(message) if message is not None else None
        except BlockingIOError:
            return
        except (OSError, wire.WireError, InvalidEventError) as error:
            logger.warning("the connection to a child broke", extra={"pid": self.pid, "error": str(error)})
            self._kill(self)
            event = None
        is_allowed = self._allowance.spend()
        if event is None:
            self._has_ended = True
            self._reports.put_nowait(None)
        else:
            self._handle_event(event)
        if self._has_ended or self._reports.qsize() >= MAX_EVENTS or not is_allowed:
            self._pause_reading()
            self._resume_reading()

    def _handle_event(self, event: Event) -> None:
        if isinstance(event, ConnectRequest):
            self.connections.open_connection(event)
        elif isinstance(event, LogLine):
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("yt-dlp says", extra={"pid": self.pid, "text": redact_site_text(event.text)})
        elif isinstance(event, Extractors):
            if not self.connections.were_requested:
                self.extractors = frozenset(event.extractors)
        else:
            self._reports.put_nowait(event)

    def _send(self, message: wire.Message, fds: list[int] | None = None) -> None:
        with contextlib.suppress(OSError):  # a child that is gone, or reads nothing, gets no answer
            wire.send(self._channel, message, fds)


class EventAllowance:
    """How many events of one child may be read now: a token bucket."""

    def __init__(self) -> None:
        self._tokens, self._refilled_at = float(MAX_BURST), time.monotonic()

    def refill(self) -> bool:
        """Adds what the time since the last call allows. Whether an event may be read."""
        now = time.monotonic()
        self._tokens = min(self._tokens + (now - self._refilled_at) * EVENTS_A_SECOND, MAX_BURST)
        self._refilled_at = now
        return self._tokens >= 1

    def spend(self) -> bool:
        """Counts an event. Whether another one may be read without a refill."""
        self._tokens -= 1
        return self._tokens >= 1
