"""One contender with one shape of load, measured from its first socket to its last frame."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import cast

from bench.contenders import Contender, Running
from bench.jobs import Published
from bench.load import Load, load
from bench.machine import cpu_seconds, resident_kib, slab_kib
from support.redis_server import RedisServer

WARM = 20
"""sockets before the first measured one: code is imported and compiled by then"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many jobs, watched by how many each."""

    jobs: int
    watchers: int
    rate: float
    """frames a second, of all sockets"""
    seconds: float

    @property
    def sockets(self) -> int:
        return self.jobs * self.watchers


@dataclass(frozen=True, slots=True)
class Result:
    """Of one round, or the medians of several."""

    cpu_us: float
    """of the server, for a delivered frame"""
    connect_us: float
    """of the server, for a connect with all that it sends at once"""
    kib: float
    """resident, a socket"""
    slab_kib: float
    """of the kernel, a connection with both of its ends"""
    delivered: float
    """share of the frames that were owed"""
    p50_ms: float
    p99_ms: float
    redis_us: float
    """of Redis, for a message: its script, and what it writes to those who subscribed"""
    load_share: float
    """of a core, by readers and publisher together"""
    closed: float
    """connections that the server ended"""


def medians(results: list[Result]) -> Result:
    return Result(*(median(getattr(each, name) for each in results) for name in Result.__slots__))


def measure(contender: Contender, shape: Shape, server: RedisServer, ids: list[str], published: Published) -> Result:
    paths = [f"/ws/download/{job_id}" for job_id in ids for _ in range(shape.watchers)]
    sockets = len(paths)
    warm = 0 if contender.name.startswith("bare") else WARM
    started = cast("AbstractContextManager[Running]", contender.start(server, sockets))
    with started as running, load() as clients:
        clients.connect(running.port, paths[:warm])
        quiet(running.pid)
        cpu, resident, slab = cpu_seconds(running.pid), resident_kib(running.pid), slab_kib()
        clients.connect(running.port, paths[warm:])
        quiet(running.pid)
        connecting = cpu_seconds(running.pid) - cpu
        resident, slab = resident_kib(running.pid) - resident, slab_kib() - slab
        clients.report()
        return _deliver(clients, running, shape, server, published, (connecting, resident, slab, sockets - warm))


def _deliver(
    clients: Load, running: Running, shape: Shape, server: RedisServer, published: Published,
    connected: tuple[float, int, int, int],
) -> Result:  # fmt: skip
    redis = cpu_seconds(server.pid)
    cpu, began = cpu_seconds(running.pid), time.monotonic()
    if running.send is not None:
        expected, publishing = running.send(shape.rate, shape.seconds), 0.0
    else:
        count, publishing = clients.publish(published, shape.rate / shape.watchers, shape.seconds)
        expected = count * shape.watchers
    report = clients.all_of(expected)
    spent, lasted = cpu_seconds(running.pid) - cpu, time.monotonic() - began
    redis = cpu_seconds(server.pid) - redis
    late = sorted(report.late_ms) or [0.0]
    connecting, resident, slab, sockets = connected
    return Result(
        cpu_us=spent / max(report.frames, 1) * 1e6,
        connect_us=connecting / sockets * 1e6,
        kib=resident / sockets,
        slab_kib=slab / sockets,
        delivered=report.frames / expected,
        p50_ms=late[len(late) // 2],
        p99_ms=late[int(len(late) * 0.99)],
        redis_us=0.0 if running.send else redis / (expected / shape.watchers) * 1e6,
        load_share=(report.cpu + publishing) / lasted,
        closed=report.closed,
    )


def quiet(pid: int, seconds: float = 0.3) -> None:
    """Until it does nothing any more: what was set off has been done."""
    before = cpu_seconds(pid)
    while True:
        time.sleep(seconds)
        now = cpu_seconds(pid)
        if now - before < 0.02 * seconds:
            return
        before = now
