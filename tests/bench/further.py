"""What the gateway alone is measured by: silence, crowds, deaf clients, and what it asks of Redis."""

import asyncio
import time
from collections.abc import Callable
from statistics import median

from bench.contenders import gateway
from bench.jobs import FIVE_CALLS, Published, named
from bench.load import Load, load
from bench.machine import cpu_seconds, resident_kib
from bench.rounds import quiet
from support.redis_server import RedisServer

_WATCHERS = 10
"""of each job, among whom some don't read"""

Row = tuple[str, str, str]
"""what, measured, goal"""


class Further:
    """All on one Redis, with jobs that are there already."""

    def __init__(self, server: RedisServer, ids: list[str], published: Published, *, short: bool) -> None:
        self._server, self._ids, self._published, self._short = server, ids, published, short
        self._repeats = 1 if short else 3

    def rows(self) -> list[Row]:
        measures: list[Callable[[], list[Row]]] = [self.idle, self.crowd, self.sharing, self.deaf, self.script]
        return [row for measure in measures for row in measure()]

    def idle(self) -> list[Row]:
        """Sockets that are sent nothing but pings, as often as by default."""
        sockets, seconds = (200, 6) if self._short else (2000, 50)
        with gateway(self._server, sockets, gateway_ping_seconds="25") as running, load() as clients:
            clients.connect(running.port, self._paths(sockets, 1))
            quiet(running.pid)
            clients.report()
            cpu, began = cpu_seconds(running.pid), time.monotonic()
            time.sleep(seconds)
            share = (cpu_seconds(running.pid) - cpu) / (time.monotonic() - began)
            pings = clients.report().pings
        return [(f"{sockets:,} idle sockets, {pings:,} pings in {seconds} s", f"{share:.2%} of a core", "≤ 1 %")]

    def crowd(self) -> list[Row]:
        """All resident memory of a process with many."""
        sockets = 1_000 if self._short else 10_000
        with gateway(self._server, sockets) as running, load() as clients:
            before = resident_kib(running.pid)
            clients.connect(running.port, self._paths(sockets, max(1, sockets // len(self._ids))))
            quiet(running.pid)
            now = resident_kib(running.pid)
        return [(f"{sockets:,} sockets on one process", f"{now / 1024:.0f} MiB ({before / 1024:.0f} before)", "≤ 150")]

    def sharing(self) -> list[Row]:
        """What Redis writes to the gateway for 100 watchers, from their coming to the last message."""
        crowd = self._written(1)
        apart = self._written(100)
        return [("Redis traffic: 100 watchers of one job, of 100 of 100", f"{crowd / apart:.3f}", "< 0.1")]

    def deaf(self) -> list[Row]:
        """Ten that never read among 1,000, and the same without."""
        sockets, rate, seconds = (200, 2_000, 2) if self._short else (1_000, 5_000, 10)
        runs = [(self._deafened(sockets, 0, rate, seconds), self._deafened(sockets, 10, rate, seconds))
                for _ in range(self._repeats)]  # fmt: skip
        rows = []
        for name, index in (("CPU µs a frame", 0), ("p99 ms", 1)):
            without, with_ten = ([each[which][index] for each in runs] for which in (0, 1))
            told = f"{median(with_ten):.1f} ({_range(with_ten)}); without {median(without):.1f} ({_range(without)})"
            rows.append((f"10 of {sockets:,} that never read: {name} of the others", told, "no difference"))
        return rows

    def script(self) -> list[Row]:
        """The script, and beside it what it asks of Redis with nothing around it."""
        bare = asyncio.run(named(self._server, self._published, FIVE_CALLS))
        costs: dict[str, list[float]] = {"script": [], "calls": []}
        with load() as clients:
            for _ in range(20 if self._short else 200):
                costs["script"].append(self._cost(clients, self._published))
                costs["calls"].append(self._cost(clients, bare))
        script, calls = median(costs["script"]), median(costs["calls"])
        told = f"{script:.1f} µs of Redis; its five calls alone {calls:.1f}"
        return [("the publish script, one job a download", told, "≤ 15")]

    # Within.

    def _cost(self, clients: Load, published: Published) -> float:
        """µs by Redis's own clock, of a small bunch, since it is not alone on its core."""
        calls, usec = self._server.script_calls()
        clients.publish(published, 100_000, 0.0005)
        now_calls, now_usec = self._server.script_calls()
        return (now_usec - usec) / (now_calls - calls)

    def _paths(self, sockets: int, watchers: int) -> list[str]:
        paths = [f"/ws/download/{job_id}" for job_id in self._ids for _ in range(watchers)]
        return (paths * (sockets // len(paths) + 1))[:sockets]

    def _written(self, jobs: int) -> int:
        published = Published(self._published.socket_path, self._published.commands[:jobs])
        with gateway(self._server, 100) as running, load() as clients:
            before = self._server.written()
            clients.connect(running.port, [f"/ws/download/{job_id}" for job_id in self._ids[:jobs]] * (100 // jobs))
            quiet(running.pid)
            count, _ = clients.publish(published, jobs * 50, 1)
            clients.all_of(count * 100 // jobs)
            # What the publisher and the questions themselves are answered, both times, is taken off.
            return self._server.written() - before - self._answers(published, count)

    def _answers(self, published: Published, count: int) -> int:
        with load() as clients:
            before = self._server.written()
            clients.publish(published, count, 1)
            return self._server.written() - before

    def _deafened(self, sockets: int, deaf: int, rate: float, seconds: float) -> tuple[float, float]:
        """CPU µs a frame and p99 ms of those who read."""
        jobs = self._ids[: sockets // _WATCHERS]
        published = Published(self._published.socket_path, self._published.commands[: len(jobs)])
        with gateway(self._server, sockets, gateway_slow_seconds="1000") as running, load() as clients:
            # The first sockets are of different jobs, so that all that read are owed the same.
            clients.connect(running.port, [f"/ws/download/{job_id}" for _ in range(_WATCHERS) for job_id in jobs])
            clients.deafen(deaf)
            # Until those that don't read have been found out.
            clients.publish(published, 100 * len(jobs), 1)
            quiet(running.pid)
            clients.report()
            cpu = cpu_seconds(running.pid)
            count, _ = clients.publish(published, rate / _WATCHERS, seconds)
            report = clients.all_of(count * (sockets - deaf) // len(jobs))
            late = sorted(report.late_ms)
            return (cpu_seconds(running.pid) - cpu) / report.frames * 1e6, late[int(len(late) * 0.99)]


def _range(values: list[float]) -> str:
    return f"{min(values):.1f}–{max(values):.1f}"
