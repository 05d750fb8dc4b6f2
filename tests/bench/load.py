"""The load: a process that reads and one that publishes, both told what to do through pipes."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from bench import publisher, reader
from bench.jobs import Published
from bench.reader import Report

_SETTLE = 20.0
"""seconds that the last frames may take to arrive"""


class Load:
    """Sockets of one server, and a publisher."""

    def __init__(self, reading: Connection, publishing: Connection) -> None:
        self._reading, self._publishing = reading, publishing

    def connect(self, port: int, paths: list[str]) -> None:
        """Returns when all have been answered."""
        self._ask(("connect", (port, paths)))

    def deafen(self, count: int) -> None:
        self._ask(("deafen", count))

    def report(self) -> Report:
        found: Report = self._ask(("report", None))
        return found

    def publish(self, published: Published, rate: float, seconds: float) -> tuple[int, float]:
        """How many were published, and the publisher's CPU seconds."""
        self._publishing.send((published, rate, seconds))
        sent, refused, cpu = self._publishing.recv()
        assert not refused, f"{refused} of {sent} refused"
        return sent, cpu

    def all_of(self, expected: int) -> Report:
        """What was read since the last report, once it is as much as expected or nothing more comes."""
        whole, deadline = self.report(), time.monotonic() + _SETTLE
        last_news = time.monotonic()
        while whole.frames < expected and time.monotonic() < deadline and time.monotonic() - last_news < 3:
            time.sleep(0.1)
            more = self.report()
            if more.frames:
                last_news = time.monotonic()
            whole.frames += more.frames
            whole.late_ms += more.late_ms
            whole.closed += more.closed
            whole.cpu += more.cpu
        return whole

    def _ask(self, order: tuple[str, object]) -> Any:
        self._reading.send(order)
        return self._reading.recv()


@contextmanager
def load() -> Iterator[Load]:
    with _process(reader.run) as reading, _process(publisher.run) as publishing:
        yield Load(reading, publishing)


@contextmanager
def _process(run: Callable[[Connection], None]) -> Iterator[Connection]:
    # Not forked: they are to hold nothing of this program's.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=run, args=(there,), daemon=True)
    process.start()
    try:
        yield here
    finally:
        here.send(None)
        process.join(10)
        process.kill()
