"""`make bench-traces`: what traces cost the services, with all jobs recorded and with none, side by side.

BENCH_RATE is of frames a second (20,000), for a machine whose Redis can't publish as many.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import jobs, report
from bench.contenders import BUSY_REDIS, Contender, Running, gateway
from bench.machine import cpu_seconds
from bench.rounds import Shape, measure
from bench.worker.cpu import spent
from support.origin.server import Origin
from support.otlp_receiver import OtlpReceiver
from support.product import Product
from support.redis_server import RedisServer, redis_server
from support.services import ALL_SLOTS, Gateway

SLOTS = 4
IDLE_SECONDS = 6.0
"""after the jobs of a round, within which spans are sent: so each side is idle for as long"""
RECORDED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SHAPE, SHORT_SHAPE = Shape(2000, 1, float(os.environ.get("BENCH_RATE", "20000")), 8), Shape(200, 1, 2_000, 2)


@dataclass
class Side:
    """One product, with what its jobs have cost."""

    product: Product
    origin: Origin
    collector: OtlpReceiver | None
    posted: int = 0

    def run(self, count: int) -> tuple[float, float, float]:
        """CPU ms a job of the api, of the worker, and of the worker with its children."""
        before = self._spent()
        for number in range(self.posted, self.posted + count):
            self.product.post(f"{self.origin.address}/media/clip.mp4?{number}")
        self.posted += count
        self.product.rest()
        time.sleep(IDLE_SECONDS)
        if self.collector:
            self.collector.wait_for(lambda _: self._sent("process downloads") == self.posted)
            self.collector.wait_for(lambda _: self._sent("POST /api/download") == self.posted)
        api, worker, tree = (after - start for after, start in zip(self._spent(), before, strict=True))
        return api / count * 1000, worker / count * 1000, tree / count * 1000

    def _sent(self, name: str) -> int:
        assert self.collector is not None
        return sum(span.name == name for span in self.collector.spans)

    def _spent(self) -> tuple[float, float, float]:
        worker = self.product.worker.pid
        return cpu_seconds(self.product.api.pid), cpu_seconds(worker), spent(worker)


@contextmanager
def side(collector: OtlpReceiver | None) -> Iterator[Side]:
    """One api and one worker, which are told of the collector alone: spans go every five seconds, as usual."""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} if collector else {}
    with (
        TemporaryDirectory(prefix="vidferry-bench-") as home,
        Origin() as origin,
        Product(Path(home), {"worker_slots": str(SLOTS), **ALL_SLOTS}, environment=told, gateways=0) as product,
    ):
        yield Side(product, origin, collector)


def job_rows(rounds: int, count: int) -> list[list[str]]:
    """Each side in turns. The figures are medians of the rounds, and so is the difference."""
    costs: dict[bool, list[tuple[float, float, float]]] = {False: [], True: []}
    with OtlpReceiver() as collector, side(None) as off, side(collector) as on:
        for each in (off, on):
            each.run(SLOTS)  # what a program does once is no cost of a job
        for number in range(rounds):
            for traced in (False, True) if number % 2 else (True, False):
                costs[traced].append((on if traced else off).run(count))
                print(traced, costs[traced][-1], file=sys.stderr, flush=True)
    columns = {traced: list(zip(*each, strict=True)) for traced, each in costs.items()}
    for column in columns.values():
        column.append(tuple(api + tree for api, tree in zip(column[0], column[2], strict=True)))
    names = ("the api", "the worker", "the worker with its children", "api, worker and children")
    return [_row(name, *sides) for name, *sides in zip(names, columns[False], columns[True], strict=True)]


def request_row(rounds: int, count: int) -> list[str]:
    """CPU ms a POST of an api alone and at work: all requests share what it does every five seconds to send spans."""
    costs: dict[bool, list[float]] = {False: [], True: []}
    with OtlpReceiver() as collector, busy_api(None) as off, busy_api(collector) as on:
        for number in range(-1, rounds):
            for traced, product in ((False, off), (True, on)) if number % 2 else ((True, on), (False, off)):
                before = cpu_seconds(product.api.pid)
                for each in range(count):
                    product.post(f"https://example.org/{number}/{each}")
                time.sleep(IDLE_SECONDS)
                costs[traced].append((cpu_seconds(product.api.pid) - before) / count * 1000)
                print("a request", traced, costs[traced][-1], file=sys.stderr, flush=True)
        assert len(collector.spans) == 2 * count * (rounds + 1)
    return _row("a busy api, a request", costs[False][1:], costs[True][1:])


@contextmanager
def busy_api(collector: OtlpReceiver | None) -> Iterator[Product]:
    """Without a worker: what it accepts waits."""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} if collector else {}
    with (
        TemporaryDirectory(prefix="vidferry-bench-") as home,
        Product(Path(home), environment={**told, "VIDFERRY_CALLER_RATE": "0"}, gateways=0) as product,
    ):
        yield product


def gateway_row(shape: Shape, rounds: int) -> list[str]:
    """CPU µs a frame of the gateway."""
    costs: dict[bool, list[float]] = {False: [], True: []}
    with OtlpReceiver() as collector, redis_server("--appendonly", "no") as server:
        made, published = asyncio.run(jobs.make(server, shape.jobs, RECORDED))

        @contextmanager
        def traced_gateway(server: RedisServer, _: int) -> Iterator[Running]:
            with Gateway(server.url, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, **BUSY_REDIS) as process:
                process.wait_for("connected to Redis")
                yield Running(process.pid, process.port)

        contenders = {False: Contender("off", gateway), True: Contender("on", traced_gateway)}
        for number in range(rounds):
            for traced in (False, True) if number % 2 else (True, False):
                result = measure(contenders[traced], shape, server, [job.id for job in made], published)
                costs[traced].append(result.cpu_us)
                print(traced, result, file=sys.stderr, flush=True)
    return _row("the gateway, a frame (µs)", costs[False], costs[True])


def _row(name: str, off: Sequence[float], on: Sequence[float]) -> list[str]:
    difference = median(b / a - 1 for a, b in zip(off, on, strict=True))
    return [name, f"{median(off):.2f}", f"{median(on):.2f}", f"{difference:+.1%}"]


def main() -> None:
    short = "--short" in sys.argv
    rounds, count = (4, 12) if short else (8, 40)
    rows = [request_row(3 if short else 7, 100 if short else 1000), *job_rows(rounds, count)]
    rows.append(gateway_row(SHORT_SHAPE if short else SHAPE, 3 if short else 5))
    head = f"{rounds} rounds of {count} jobs on each side, in turns; CPU ms a job, medians."
    text = f"{head} The gateway at {SHAPE.rate:,.0f} frames a second to {SHAPE.sockets:,} sockets:\n\n" + report.table(
        ["", "off", "all recorded", "difference"], rows
    )
    print(text)
    if not short:
        report.keep("traces", text)


if __name__ == "__main__":
    main()
