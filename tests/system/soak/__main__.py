"""`make soak`: clients come, are cut, come back, and Redis is killed and started, for SOAK_MINUTES (30).

Fails where a client misses a step or its job's end, sees something twice, or where the gateway's memory grows.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar, cast

from bench.machine import cpu_seconds, resident_kib
from support.jobs import Job, redis_client
from support.redis_server import RedisServer, redis_server
from support.services import Gateway
from system.soak.watchers import Log, Watcher
from vidferry_common.contract import keys
from vidferry_common.contract.stages import NEW_VIDEO
from vidferry_common.store import Store, StoreUnavailable
from vidferry_common.store.client import RedisError

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
JOBS, WATCHERS = 30, 4
RESTART_SECONDS = 30.0
SAMPLE_SECONDS = 5.0
WARM = 0.3
"""share of the time after which memory counts"""
GROWTH_KIB = 4096

T = TypeVar("T")


@dataclass
class Soak:
    """All of it."""

    server: RedisServer
    gateway: Gateway
    store: Store
    until: float
    rng: random.Random
    log: Log = field(default_factory=Log)
    restarts: int = 0
    memory: list[int] = field(default_factory=list)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(JOBS):
                group.create_task(self._jobs())
            group.create_task(self._restart_redis())
            group.create_task(self._sample())

    def going_on(self) -> bool:
        return time.monotonic() < self.until

    async def _jobs(self) -> None:
        """One after the other, each with its watchers."""
        while self.going_on():
            job = await self._insist(Job.create, self.store)
            watchers = [Watcher(self.gateway.port, job.id, self.rng, self.log) for _ in range(WATCHERS)]
            async with asyncio.TaskGroup() as group:
                for watcher in watchers:
                    group.create_task(watcher.run())
                await self._work(job)
            history = await self._insist(self._steps, job.id)
            for watcher in watchers:
                watcher.check(history)

    async def _work(self, job: Job) -> None:
        for step in NEW_VIDEO[:-1]:
            await self._insist(job.step, step)
            for number in range(self.rng.randrange(6)):
                await asyncio.sleep(self.rng.uniform(0, 0.4))
                await self._insist(job.progress, step.progress + number / 10)
        await self._insist(job.finish)

    async def _insist(self, act: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Again while Redis is away, as a worker does; what was done before its answer was lost is done twice."""
        while True:
            try:
                return await act(*arguments)
            except (StoreUnavailable, RedisError):
                await asyncio.sleep(0.1)

    async def _steps(self, job_id: str) -> list[int]:
        """The numbers of the steps that its record holds."""
        async with redis_client(self.server) as client:
            history = await cast("Awaitable[list[bytes]]", client.lrange(keys.JOB + job_id + keys.HISTORY, 0, -1))
        return [json.loads(raw)["data"]["seq"] for raw in history]

    async def _restart_redis(self) -> None:
        while self.going_on():
            await asyncio.sleep(RESTART_SECONDS)
            self.server.kill()
            await asyncio.sleep(self.rng.uniform(0, 3))
            await asyncio.to_thread(self.server.start)
            self.restarts += 1

    async def _sample(self) -> None:
        began, pid = time.monotonic(), self.gateway.process.pid
        while self.going_on():
            await asyncio.sleep(SAMPLE_SECONDS)
            if time.monotonic() - began > (self.until - began) * WARM:
                self.memory.append(resident_kib(pid))
                print(f"{time.monotonic() - began:.0f} s: {self.memory[-1]} KiB, {self.told}", flush=True)

    @property
    def told(self) -> str:
        log = self.log
        return f"{log.ends} ends, {log.cuts} cuts, {self.restarts} restarts of Redis, {len(log.wrong)} wrong"

    def verdict(self) -> list[str]:
        """What is wrong, one sentence each."""
        third = max(1, len(self.memory) // 3)
        grown = median(self.memory[-third:]) - median(self.memory[:third])
        spent = cpu_seconds(self.gateway.process.pid)
        print(f"{self.told}; memory {median(self.memory):.0f} KiB, grown by {grown:.0f}; {spent:.0f} s of CPU")
        wrong = [*self.log.wrong]
        if grown > GROWTH_KIB:
            wrong.append(f"memory has grown by {grown:.0f} KiB")
        if not self.log.ends or not self.log.cuts or not self.restarts:
            wrong.append("nothing was tried")
        return wrong


async def soak() -> list[str]:
    rng = random.Random()
    with redis_server() as server, Gateway(server.url, log_level="info") as gateway:
        async with redis_client(server) as client:
            run = Soak(server, gateway, Store(client, 3600), time.monotonic() + MINUTES * 60, rng)
            await run.run()
        wrong = run.verdict()
        if (status := await asyncio.to_thread(gateway.stop)) != 0:
            wrong.append(f"the gateway ended with {status}")
        return wrong


if __name__ == "__main__":
    found = asyncio.run(soak())
    print("\n".join(found[:20]) or "nothing missed")
    sys.exit(bool(found))
