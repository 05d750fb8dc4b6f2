"""What the clients' connections of a process share: one flush an iteration of the loop, and one timer."""

import asyncio
import math
from itertools import islice
from typing import Protocol

from vidferry_common.contract.close import CloseCode
from vidferry_gateway.metrics import Traffic
from vidferry_gateway.settings import GatewaySettings

_SLOTS = 50
"""Of the wheel: a turn is the time between two pings, a slot the share of the sockets that is pinged at once."""
_DRAIN_STEP = 0.05


class Kept(Protocol):
    """A client's connection, as this module needs it."""

    slot: int
    """of the wheel; -1 outside of it"""
    unanswered: bool
    """it was pinged and has not answered"""

    def flush(self) -> int: ...
    def ping(self) -> None: ...
    def unresponsive(self) -> None: ...
    def end(self, code: CloseCode) -> None: ...
    def abort(self) -> None: ...
    def backlog(self) -> int: ...


class Sockets:
    """Open sockets are in a wheel that turns once between two pings; slow and closing ones have deadlines."""

    def __init__(self, settings: GatewaySettings, traffic: Traffic) -> None:
        self._settings, self.traffic = settings, traffic
        self._tick_seconds = settings.gateway_ping_seconds / _SLOTS
        self._patience = min(math.ceil(settings.gateway_pong_seconds / self._tick_seconds), _SLOTS - 1)
        """ticks between a ping and the look for its answer"""
        self._wheel: list[set[Kept]] = [set() for _ in range(_SLOTS)]
        self._position = 0
        self._slow: dict[Kept, float] = {}
        self._closing: dict[Kept, float] = {}
        self._owing: list[Kept] = []
        self._held = False
        """whoever makes them owe something flushes them itself"""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def __len__(self) -> int:
        """Sockets that are open."""
        return sum(map(len, self._wheel))

    @property
    def slow(self) -> int:
        """Sockets that don't take what they are sent."""
        return len(self._slow)

    def backlog(self) -> int:
        """Bytes that wait in this process for slow sockets."""
        return sum(socket.backlog() for socket in self._slow)

    # A socket's life.

    def opened(self, socket: Kept) -> None:
        socket.slot = self._position
        self._wheel[socket.slot].add(socket)

    def left(self, socket: Kept) -> None:
        """It is not open any more: no ping, and nothing is owed; may be called again."""
        if socket.slot >= 0:
            self._wheel[socket.slot].discard(socket)
            socket.slot = -1
        self._slow.pop(socket, None)

    def closing(self, socket: Kept) -> None:
        """It has to be gone in time, or it is cut."""
        if self._loop is not None:
            self._closing.setdefault(socket, self._loop.time() + self._settings.gateway_close_seconds)

    def gone(self, socket: Kept) -> None:
        self.left(socket)
        self._closing.pop(socket, None)

    def paused(self, socket: Kept) -> None:
        """It does not take what it is sent."""
        if self._loop is not None:
            self._slow[socket] = self._loop.time() + self._settings.gateway_slow_seconds

    def too_slow(self, socket: Kept) -> None:
        """It is closed at the next tick: not now, since who finds out is in the midst of writing to others."""
        self._slow[socket] = 0

    def resumed(self, socket: Kept) -> None:
        self._slow.pop(socket, None)

    def owe(self, socket: Kept) -> None:
        """It has something to write at the end of this iteration."""
        if not (self._owing or self._held) and self._loop is not None:
            self._loop.call_soon(self.flush)
        self._owing.append(socket)

    def hold(self) -> None:
        """Much is going to be owed at once, and then flush() is called."""
        self._held = True

    def flush(self) -> None:
        """Writes what is owed."""
        self._held = False
        owing, self._owing = self._owing, []
        sent = 0
        for socket in owing:
            sent += socket.flush()
        self.traffic.sent += sent
        self.traffic.flushed()

    # Everyone's end.

    async def drain(self, seconds: float) -> None:
        """Closes all sockets, those too that come in the meantime, at an even pace over that time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while open_now := [socket for slot in self._wheel for socket in slot]:
            steps = max(1, math.ceil((deadline - loop.time()) / _DRAIN_STEP))
            for socket in islice(open_now, math.ceil(len(open_now) / steps)):
                socket.end(CloseCode.DRAINING)
            await asyncio.sleep(_DRAIN_STEP)

    async def all_gone(self) -> None:
        """Until every socket that is closing now has answered or was cut."""
        closing = set(self._closing)
        while closing & self._closing.keys():  # noqa: ASYNC110 - an event would have to be kept for every socket
            await asyncio.sleep(_DRAIN_STEP)

    # Within.

    def _tick(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)
        self._position = (self._position + 1) % _SLOTS
        for socket in self._wheel[self._position]:
            socket.ping()
        for socket in tuple(self._wheel[(self._position - self._patience) % _SLOTS]):
            if socket.unanswered:
                socket.unresponsive()
        now = self._loop.time()
        for socket in [socket for socket, deadline in self._slow.items() if deadline <= now]:
            socket.end(CloseCode.TOO_SLOW)
        for socket in [socket for socket, deadline in self._closing.items() if deadline <= now]:
            socket.abort()
