"""A receiver of webhooks in a process of its own, so that it takes no time of the worker's."""

import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from support.receiver import ACCEPTED, HANG, Receiver


class ReceiverProcess:
    """Accepts everything, or hangs."""

    def __init__(self, certificate: Path | None = None, *, hangs: bool = False) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        arguments = (theirs, certificate, hangs)
        self._process = multiprocessing.get_context("spawn").Process(target=_receive, args=arguments, daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.url = str(self._pipe.recv())
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send("end")
        self._process.join(20)

    def wait_for(self, count: int) -> None:
        """Returns when so many events have come."""
        deadline = time.monotonic() + 60
        while len(self.received()) < count:
            assert time.monotonic() < deadline, "nothing comes"
            time.sleep(0.01)

    def received(self) -> dict[str, float]:
        """When each event came first, by time.time()."""
        self._pipe.send("received")
        return dict(self._pipe.recv())


def _receive(pipe: Connection, certificate: Path | None, hangs: bool) -> None:
    with Receiver(lambda _: HANG if hangs else ACCEPTED, certificate) as receiver:
        pipe.send(receiver.url)
        while pipe.recv() != "end":
            offset = time.time() - time.monotonic()
            pipe.send({each.id: each.at + offset for each in reversed(receiver.received)})
