"""uvicorn's server with another shutdown: it drains first, and exits with 0."""

import asyncio
import contextlib
import logging
import socket
from types import FrameType
from typing import Protocol

from uvicorn import Config, Server
from uvicorn.server import HANDLED_SIGNALS


class Drainable(Protocol):
    """An application that can close its clients' connections before the server stops."""

    async def drain(self) -> None: ...


class DrainingServer(Server):
    """uvicorn's server, which drains before it stops.

    On SIGTERM uvicorn closes the listener and all connections immediately, and raises the signal again at the end.

    Here the first signal starts the drain while the listener stays open, and the process then exits by itself. A second
    signal ends it immediately. A signal during the start, which may be waiting for Redis, cancels the start.
    """

    def __init__(self, config: Config, served: Drainable) -> None:
        super().__init__(config)
        self._served = served
        self._starting: asyncio.Task[None] | None = None
        self._drain: asyncio.Task[None] | None = None
        self._stop_requested = False

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the start was cancelled
            super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._starting = asyncio.current_task()
        for number in HANDLED_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._handle_signal)
        if self._stop_requested:
            self._begin_drain()
        await super().startup(sockets)
        self._starting = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Called by uvicorn's own signal handler, until startup() has installed the loop's."""
        self._stop_requested = True

    def _handle_signal(self) -> None:
        """Called by the event loop's signal handler, which wakes the loop.

        uvicorn's handler does not wake a loop that is about to wait. Its main loop wakes ten times a second anyway,
        but a start that waits for something does not.
        """
        if self._stop_requested:
            self.should_exit = self.force_exit = True
            return
        self._stop_requested = True
        self._begin_drain()

    def _begin_drain(self) -> None:
        if self._starting is not None:
            # Else uvicorn logs the cancelled lifespan as an error.
            logging.getLogger("uvicorn.error").disabled = True
            self._starting.cancel()
        elif self._drain is None:
            self._drain = asyncio.get_running_loop().create_task(self._drain_and_exit())

    async def _drain_and_exit(self) -> None:
        try:
            await self._served.drain()
        finally:
            self.should_exit = True
