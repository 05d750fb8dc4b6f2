"""Vidferry as a cluster runs it: an api, a gateway, and workers that a test kills, freezes and stops."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from support.answers import post
from support.api_process import ApiProcess, Backstage
from support.children import descendants
from support.gateway_process import GatewayProcess
from support.redis_proxy import Gate, RedisProxy
from support.redis_server import RedisServer
from support.worker_process import WorkerProcess
from system.reliability.watching import TERMINAL, Data, Watcher, eventually
from vidferry_common.contract import keys

LEASE = 2.0
TAKEN_UP_SECONDS = LEASE + 5
"""after a worker's death"""


@dataclass
class Worker:
    """A process, and the gates at which it waits for its Redis."""

    name: str
    process: WorkerProcess
    proxy: RedisProxy
    picks: Gate
    """Nothing is taken before it is opened. It leads meanwhile, and renews its leases."""
    _frozen: list[int] = field(default_factory=list)

    def freeze(self) -> None:
        """With all that it has started, as a machine that stands still."""
        for pid in sorted(self.family()):
            self.freeze_one(pid)

    def freeze_one(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        self._frozen.append(pid)

    def thaw(self) -> None:
        while self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._frozen.pop(), signal.SIGCONT)

    def family(self) -> set[int]:
        """The worker and all that it has started."""
        pid = self.process.process.pid
        return {pid, *descendants(pid)}

    def kill(self) -> float:
        """When that was, by the clock of this machine."""
        self.process.signal(signal.SIGKILL)
        when = time.time()
        self.process.wait()
        return when


@dataclass
class Service:
    """All of it, on one Redis and one bucket."""

    redis: RedisServer
    proxy: RedisProxy
    """the api's way to it"""
    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    """of the workers and the api, besides"""

    @contextmanager
    def running(self) -> Iterator["Service"]:
        with ExitStack() as self._stack:
            (self.home / "bucket").mkdir(exist_ok=True)
            self.api = ApiProcess(self.proxy.url, self.home / "bucket")
            self.api.environment.update(self.environment)
            self._stack.callback(self.api.start().close)
            self.gateway = GatewayProcess(self.redis.url, gateway_probe_seconds="0.5").start()
            self._stack.callback(self.gateway.close)
            self.client = self._stack.enter_context(httpx2.Client(base_url=self.api.url, timeout=60))
            self.backstage = Backstage(self.redis, self.home / "bucket")
            yield self

    @contextmanager
    def crew(self) -> Iterator[None]:
        """What is started within is gone afterwards."""
        outer = self._stack
        try:
            with ExitStack() as self._stack:
                yield
        finally:
            self._stack = outer

    def worker(self, name: str, *, takes: bool = True, path: str = "", **settings: str) -> Worker:
        """A running one. path goes before its PATH."""
        proxy = self._stack.enter_context(RedisProxy(self.redis))
        picks = proxy.hold("pick")
        if takes:
            picks.open()
        told = {"lease": str(LEASE), "redis_url": proxy.url, "worker_name": name, **settings}
        process = WorkerProcess(self.redis, self.home, **told)
        process.environment.update(self.environment)
        process.environment["PATH"] = path + process.environment["PATH"]
        process.start()
        self._stack.callback(process.close)
        return Worker(name, process, proxy, picks)

    def post(self, url: str) -> str:
        """The job's id."""
        return str(post(self.client, url)["job_id"])

    def watch(self, job_id: str) -> Watcher:
        """From now on; like any client it waits where the gateway has lost its Redis."""
        eventually(lambda: self.gateway.sees_redis)
        return Watcher(self.gateway.uri(job_id)).start()

    def run(self, url: str) -> Watcher:
        return self.watch(self.post(url))

    def job(self, job_id: str) -> Data:
        answer = self.client.get(f"/api/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def cancel(self, job_id: str) -> None:
        answer = self.client.delete(f"/api/jobs/{job_id}")
        assert answer.is_success, answer.text

    def check_ended(self, watcher: Watcher, status: str = "completed") -> Data:
        """The record says what the watcher was told; what it leads to is there."""
        last = watcher.end()
        assert last["status"] == status, last
        shown = self.job(last["job_id"])
        assert (shown["status"], shown["seq"], shown["attempt"]) == (status, last["seq"], last["attempt"])
        ends = [data for data in Watcher(self.gateway.uri(last["job_id"])).start().data if data["status"] in TERMINAL]
        assert [data["seq"] for data in ends] in ([], [last["seq"]])
        if status == "completed":
            file = self.client.get(last["result"]["file_url"], follow_redirects=True)
            assert (file.status_code, len(file.content)) == (200, last["result"]["size"])
        return last

    def names(self, pattern: str) -> list[str]:
        found: list[bytes] = self.backstage.redis(lambda redis: redis.keys(pattern))
        return sorted(key.decode() for key in found)

    def lease_of(self, watcher: Watcher) -> float:
        """Seconds until it ends, below 0 where it has."""
        download_id = self.backstage.download_id(watcher.job_id)

        async def ask(redis: Any) -> float:
            seconds, micros = await redis.time()
            ends = float(await redis.zscore(keys.LEASES, download_id)) / 1000
            return ends - float(seconds) - float(micros) / 1e6

        return self.backstage.redis(ask)

    def objects(self) -> list[str]:
        """The videos in a folder as the bucket: each as its place and its generation."""
        folder = self.home / "bucket" / "objects"
        return sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*#[0-9]*") if "thumbnail" not in path.name
        )


def seconds_after(when: float, data: Data) -> float:
    """From then to when a message was made."""
    return datetime.fromisoformat(data["timestamp"]).timestamp() - when
