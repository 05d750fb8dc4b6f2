"""Clients that watch one job by its WebSocket: in a thread (Watcher), and in a coroutine (Seen)."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from vidferry_common.contract.stages import NEW_VIDEO, STORED_VIDEO

TIMEOUT = 20.0
SECONDS = 60.0
STEPS = [step.progress for step in NEW_VIDEO]
TERMINAL = {"completed", "failed", "cancelled"}
_STEPS = {(step.stage.value, step.progress) for step in (*NEW_VIDEO, *STORED_VIDEO)}

Data = dict[str, Any]


class Watcher:
    """A client that reads along in a thread, from the handshake to the close."""

    def __init__(self, uri: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None
        """None while it is open; 1006 where no close frame came"""
        self._news = threading.Condition()
        self._socket = connect(uri, legacy=True, open_timeout=SECONDS, ping_interval=None, max_queue=None)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def until(self, check: Callable[[Data], bool], seconds: float = SECONDS) -> Data:
        """The first message of which that is true."""

        def found() -> Data | None:
            return next((data for data in self.data if check(data)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self.close_code is not None, seconds)
            data = found()
        assert data is not None, (self.close_code, self.data)
        return data

    def first(self) -> Data:
        """The job as it was when the watcher came."""
        return self.until(lambda _: True)

    def reached(self, stage: str, progress: float = 0) -> Data:
        return self.until(lambda data: data["stage"] == stage and data["progress"] >= progress)

    def attempt(self, number: int, seconds: float = SECONDS) -> Data:
        """The first message of that attempt."""
        return self.until(lambda data: data["attempt"] == number, seconds)

    def closed(self) -> Self:
        """Once the service has closed the socket."""
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), self.data
        return self

    def end(self) -> Data:
        """The one terminal message; everything in order, and the socket closed as the contract says."""
        self.closed()
        assert self.close_code == 1000, (self.close_code, self.data)
        seqs = [data["seq"] for data in self.data]
        assert seqs == sorted(set(seqs))
        for attempt in {data["attempt"] for data in self.data}:
            shown = [data["progress"] for data in self.data if data["attempt"] == attempt]
            assert shown == sorted(shown), self.data
        (last,) = self.ends
        assert last is self.last
        return last

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.leave()

    def leave(self, code: int = 1000) -> Self:
        """Closes the socket, as a client that has seen enough."""
        self._socket.close(code)
        return self.closed()

    def cut(self) -> Self:
        """Ends the connection without a close frame, as when a train enters a tunnel."""
        self._socket.socket.shutdown(socket.SHUT_RDWR)
        return self.closed()

    @property
    def data(self) -> list[Data]:
        return [message["data"] for message in self.messages]

    @property
    def last(self) -> Data:
        return self.data[-1]

    @property
    def ends(self) -> list[Data]:
        """The terminal messages; there may be but one."""
        return [data for data in self.data if data["status"] in TERMINAL]

    @property
    def job_id(self) -> str:
        return str(self.data[0]["job_id"])

    @property
    def steps(self) -> list[float]:
        """The progress of each step, once; what is told between two steps is left out."""
        shown = [data["progress"] for data in self.data if (data["stage"], data["progress"]) in _STEPS]
        return [value for index, value in enumerate(shown) if index == 0 or shown[index - 1] != value]

    def progress_of(self, attempt: int) -> set[float]:
        return {data["progress"] for data in self.data if data["attempt"] == attempt}

    def _read(self) -> None:
        code = 1006
        try:
            with self._socket:
                while True:
                    message = json.loads(self._socket.recv())
                    with self._news:
                        self.messages.append(message)
                        self._news.notify_all()
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else code
        finally:
            with self._news:
                self.close_code = code
                self._news.notify_all()


class Seen:
    """What a client got until its socket was closed."""

    def __init__(self) -> None:
        self.raw: list[str | bytes] = []
        self.code: int | None = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for raw in self.raw]

    @property
    def progress(self) -> list[float]:
        return [message["data"]["progress"] for message in self.messages]

    @property
    def seqs(self) -> list[int]:
        return [message["data"]["seq"] for message in self.messages]

    @property
    def cursor(self) -> str:
        return str(self.messages[-1]["cursor"])


async def listen(socket: ClientConnection, until: Callable[[Seen], bool] = lambda _: False) -> Seen:
    """Until that is seen, or the socket is closed."""
    seen = Seen()
    async with asyncio.timeout(TIMEOUT):
        try:
            while not until(seen):
                seen.raw.append(await socket.recv())
        except ConnectionClosed as closed:
            seen.code = closed.rcvd.code if closed.rcvd else 1006
    return seen


async def watch(uri: str) -> Seen:
    """From the handshake to the close."""
    async with connect_async(uri) as socket:
        return await listen(socket)


def received(count: int) -> Callable[[Seen], bool]:
    return lambda seen: len(seen.raw) >= count
