"""Somebody who watches a job by its socket."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SECONDS = 60.0
TERMINAL = {"completed", "failed", "cancelled"}

Data = dict[str, Any]


class Watcher:
    """Reads along in a thread, from the handshake to the close."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._news = threading.Condition()
        self.data: list[Data] = []
        self.close_code: int | None = None
        self._thread = threading.Thread(target=self.read, daemon=True)

    def start(self) -> Self:
        """Returns when it has seen the job as it is now."""
        self._thread.start()
        self.until(lambda _: True)
        return self

    def until(self, check: Callable[[Data], bool], seconds: float = SECONDS) -> Data:
        """The first message of which that is true."""

        def found() -> Data | None:
            return next((data for data in self.data if check(data)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self.close_code is not None, seconds)
            data = found()
        assert data is not None, (self.close_code, self.data)
        return data

    def attempt(self, number: int, seconds: float = SECONDS) -> Data:
        """The first message of that attempt."""
        return self.until(lambda data: data["attempt"] == number, seconds)

    def end(self) -> Data:
        """The one terminal message; everything in order, and the socket closed as the contract says."""
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), self.data
        assert self.close_code == 1000, (self.close_code, self.data)
        seqs = [data["seq"] for data in self.data]
        assert seqs == sorted(set(seqs))
        for attempt in {data["attempt"] for data in self.data}:
            shown = [data["progress"] for data in self.data if data["attempt"] == attempt]
            assert shown == sorted(shown), self.data
        (last,) = [data for data in self.data if data["status"] in TERMINAL]
        assert last is self.data[-1]
        return last

    @property
    def job_id(self) -> str:
        return str(self.data[0]["job_id"])

    def steps(self, attempt: int) -> set[float]:
        return {data["progress"] for data in self.data if data["attempt"] == attempt}

    def read(self) -> None:
        """To the close."""
        code = 1006
        try:
            with connect(self._address, open_timeout=SECONDS, ping_interval=None) as socket:
                for raw in self._messages(socket):
                    with self._news:
                        self.data.append(json.loads(raw)["data"])
                        self._news.notify_all()
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else code
        finally:
            with self._news:
                self.close_code = code
                self._news.notify_all()

    @staticmethod
    def _messages(socket: Any) -> Any:
        while True:
            yield socket.recv()


def eventually(check: Callable[[], object], seconds: float = SECONDS) -> None:
    """Until it is true; other processes set no event of ours."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)
