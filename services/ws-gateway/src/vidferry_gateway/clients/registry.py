"""The registry of all client connections of a process: one flush per iteration of the event loop, and one timer."""

import asyncio
import math
from itertools import islice
from typing import Protocol

from vidferry_common.contract.close import CloseCode
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_gateway.settings import GatewaySettings

_SLOTS = 50
"""Slots of the timer wheel, which turns once in the time between two pings. The connections of a slot are pinged
together."""
_DRAIN_STEP = 0.05
"""seconds"""


class ManagedConnection(Protocol):
    """The part of a client's connection that the registry uses."""

    slot: int
    """the connection's slot in the timer wheel; -1 if it is in none"""
    unanswered: bool
    """whether a ping has not been answered yet"""

    def flush(self) -> int: ...
    def ping(self) -> None: ...
    def close_unresponsive(self) -> None: ...
    def end(self, code: CloseCode) -> None: ...
    def abort(self) -> None: ...
    def buffered_bytes(self) -> int: ...


class ConnectionRegistry:
    """The client connections of a gateway.

    Open connections are in a timer wheel, which turns once between two pings. Slow and closing ones have deadlines.
    """

    def __init__(self, settings: GatewaySettings, metrics: GatewayMetrics) -> None:
        self._settings, self.metrics = settings, metrics
        self._tick_seconds = settings.gateway_ping_seconds / _SLOTS
        self._pong_ticks = min(math.ceil(settings.gateway_pong_seconds / self._tick_seconds), _SLOTS - 1)
        """ticks between a ping and the check for its answer"""
        self._wheel: list[set[ManagedConnection]] = [set() for _ in range(_SLOTS)]
        self._position = 0
        self._slow: dict[ManagedConnection, float] = {}
        self._closing: dict[ManagedConnection, float] = {}
        self._scheduled: list[ManagedConnection] = []
        self._flush_held = False
        """whether flush_scheduled() will be called explicitly"""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def __len__(self) -> int:
        """The number of open connections."""
        return sum(map(len, self._wheel))

    @property
    def slow_count(self) -> int:
        """The number of slow connections."""
        return len(self._slow)

    def buffered_bytes(self) -> int:
        """Bytes that wait in this process for slow connections."""
        return sum(connection.buffered_bytes() for connection in self._slow)

    # Called by the connections

    def add(self, connection: ManagedConnection) -> None:
        connection.slot = self._position
        self._wheel[connection.slot].add(connection)

    def remove(self, connection: ManagedConnection) -> None:
        """Takes a connection that is not open any more out of the wheel. May be called again."""
        if connection.slot >= 0:
            self._wheel[connection.slot].discard(connection)
            connection.slot = -1
        self._slow.pop(connection, None)

    def expect_close(self, connection: ManagedConnection) -> None:
        """Sets the deadline by which the connection must be closed; after it the connection is aborted."""
        if self._loop is not None:
            self._closing.setdefault(connection, self._loop.time() + self._settings.gateway_close_seconds)

    def forget(self, connection: ManagedConnection) -> None:
        """Removes a connection that is lost."""
        self.remove(connection)
        self._closing.pop(connection, None)

    def mark_slow(self, connection: ManagedConnection) -> None:
        """Sets the deadline by which the client must read on; after it the connection is closed."""
        if self._loop is not None:
            self._slow[connection] = self._loop.time() + self._settings.gateway_slow_seconds

    def mark_too_slow(self, connection: ManagedConnection) -> None:
        """Has the connection closed at the next tick: not now, in the middle of a delivery to other watchers."""
        self._slow[connection] = 0

    def unmark_slow(self, connection: ManagedConnection) -> None:
        self._slow.pop(connection, None)

    def schedule_flush(self, connection: ManagedConnection) -> None:
        """Has the connection flushed at the end of this iteration of the event loop."""
        if not (self._scheduled or self._flush_held) and self._loop is not None:
            self._loop.call_soon(self.flush_scheduled)
        self._scheduled.append(connection)

    def hold_flush(self) -> None:
        """Holds flushes back until flush_scheduled() is called: much is about to be enqueued."""
        self._flush_held = True

    def flush_scheduled(self) -> None:
        """Flushes every connection that was scheduled."""
        self._flush_held = False
        scheduled, self._scheduled = self._scheduled, []
        sent = 0
        for connection in scheduled:
            sent += connection.flush()
        self.metrics.messages_sent += sent
        self.metrics.observe_latencies()

    # Draining

    async def drain(self, seconds: float) -> None:
        """Closes all connections evenly over that time, including those opened meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while open_now := [connection for slot in self._wheel for connection in slot]:
            steps = max(1, math.ceil((deadline - loop.time()) / _DRAIN_STEP))
            for connection in islice(open_now, math.ceil(len(open_now) / steps)):
                connection.end(CloseCode.DRAINING)
            await asyncio.sleep(_DRAIN_STEP)

    async def wait_until_closed(self) -> None:
        """Waits until every connection that is closing now is closed or was aborted."""
        closing = set(self._closing)
        while closing & self._closing.keys():  # noqa: ASYNC110 - each connection would need an event
            await asyncio.sleep(_DRAIN_STEP)

    # Internals

    def _tick(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)
        self._position = (self._position + 1) % _SLOTS
        for connection in self._wheel[self._position]:
            connection.ping()
        for connection in tuple(self._wheel[(self._position - self._pong_ticks) % _SLOTS]):
            if connection.unanswered:
                connection.close_unresponsive()
        now = self._loop.time()
        for connection in [connection for connection, deadline in self._slow.items() if deadline <= now]:
            connection.end(CloseCode.TOO_SLOW)
        for connection in [connection for connection, deadline in self._closing.items() if deadline <= now]:
            connection.abort()
