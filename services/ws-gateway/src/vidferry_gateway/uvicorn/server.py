"""uvicorn's server, but for its end: it drains first, and exits with 0."""

import asyncio
import contextlib
import logging
import socket
from types import FrameType
from typing import Protocol

from uvicorn import Config, Server
from uvicorn.server import HANDLED_SIGNALS


class Drainable(Protocol):
    """What is served: it knows how to end well."""

    async def drain(self) -> None: ...


class DrainingServer(Server):
    """uvicorn's server, which drains before it ends.

    On SIGTERM uvicorn closes the listener and all sockets at once, and raises the signal anew at its end.

    Here the first signal begins the drain of what is served while the listener stays, and the process ends by itself.
    A second one ends it at once. A start that still waits, for Redis perhaps, is given up.
    """

    def __init__(self, config: Config, served: Drainable) -> None:
        super().__init__(config)
        self._served = served
        self._starting: asyncio.Task[None] | None = None
        self._drain: asyncio.Task[None] | None = None
        self._stop_requested = False

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the start was given up
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
        """By uvicorn's own handler, before there is one of the loop's."""
        self._stop_requested = True

    def _handle_signal(self) -> None:
        """By the loop's, which wakes it: uvicorn's handler does not, where a signal comes right before the loop waits.

        Its main loop wakes ten times a second by itself, but a start that waits for something does not.
        """
        if self._stop_requested:
            self.should_exit = self.force_exit = True
            return
        self._stop_requested = True
        self._begin_drain()

    def _begin_drain(self) -> None:
        if self._starting is not None:
            # uvicorn would log the lifespan's cancellation as an error.
            logging.getLogger("uvicorn.error").disabled = True
            self._starting.cancel()
        elif self._drain is None:
            self._drain = asyncio.get_running_loop().create_task(self._drain_and_exit())

    async def _drain_and_exit(self) -> None:
        try:
            await self._served.drain()
        finally:
            self.should_exit = True
