"""What is between clients and gateways: one address for all of them, which a test cuts, leaves hanging and turns."""

import asyncio
import threading
from collections.abc import Callable
from typing import Self

from anyio.from_thread import BlockingPortal

from support.watchers import TIMEOUT


class _End(asyncio.Protocol):
    """One of a connection's two ends."""

    other: "_End | None" = None
    transport: asyncio.Transport
    deaf = False
    """nothing passes any more, not even the end"""

    def __init__(self, met: Callable[["_End"], None], left: Callable[["_End"], None]) -> None:
        self._met, self._left = met, left
        self.early = b""
        """what came before there was another end: Python 3.11.2 reads although it was told to pause at the beginning"""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._met(self)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.early += data
        elif not self.deaf:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.other is not None and not self.deaf:
            self.other.transport.close()
        self._left(self)


class Front:
    """Listens on a loopback port, and passes each connection on to the first of its targets that takes it.

    Its methods are called from the test's thread; it lives in the portal's.
    """

    def __init__(self, portal: BlockingPortal, *targets: int) -> None:
        self._portal, self.targets = portal, list(targets)
        self.passed = self.refused = 0
        """connections so far"""
        self._ends: list[_End] = []
        self._hanging: list[_End] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self.port = self._portal.call(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._portal.call(self._close)

    @property
    def open(self) -> int:
        """Connections that pass something on."""
        return len(self._ends) // 2

    def url(self, job_id: str) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/download/{job_id}"

    def cut(self) -> None:
        """As when a router forgets its connections: each is reset."""
        self._portal.call(self._forget, lambda end: end.transport.abort())

    def hang(self) -> None:
        """As when a network goes without a word: what is connected stays so, and nothing passes any more."""
        self._portal.call(self._forget, self._hang_up)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Looks with each connection that comes or goes."""
        with self._news:
            assert self._news.wait_for(condition, TIMEOUT), (self.passed, self.refused)

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._forget(lambda end: end.transport.abort())
        for end in self._hanging:
            end.transport.abort()
        await asyncio.sleep(0)  # the loop closes what was aborted

    def _forget(self, act: Callable[[_End], None]) -> None:
        ends, self._ends = self._ends, []
        for end in ends:
            act(end)

    def _hang_up(self, end: _End) -> None:
        end.deaf = True
        self._hanging.append(end)

    async def _listen(self) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _End(self._take, self._leave), "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _leave(self, end: _End) -> None:
        with self._news:
            if end in self._ends:
                self._ends.remove(end)
            self._news.notify_all()

    def _take(self, client: _End) -> None:
        client.transport.pause_reading()
        task = asyncio.get_running_loop().create_task(self._pass_on(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, client: _End) -> None:
        gateway = await self._reach()
        with self._news:
            if gateway is None:
                self.refused += 1
                client.transport.abort()
            elif client.transport.is_closing():  # it did not wait
                gateway.transport.abort()
            else:
                self.passed += 1
                client.other, gateway.other = gateway, client
                self._ends += [client, gateway]
                gateway.transport.write(client.early)
                client.transport.resume_reading()
            self._news.notify_all()

    async def _reach(self) -> _End | None:
        for port in self.targets:
            try:
                _, end = await asyncio.get_running_loop().create_connection(
                    lambda: _End(lambda _: None, self._leave), "127.0.0.1", port
                )
            except OSError:
                continue
            return end
        return None
