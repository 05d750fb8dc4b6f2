"""A product whose workers and api reach Redis through proxies, so that a test can hold, cut, freeze and kill them."""

import contextlib
import os
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from support import ffmpeg
from support.backstage import Backstage
from support.children import descendants
from support.product import Product
from support.redis_proxy import RedisProxy
from support.services import Api, Worker
from support.watchers import Data, Watcher
from vidferry_common.contract import keys

LEASE = 2.0
TAKEN_UP_SECONDS = LEASE + 5
"""after a worker's death"""


class ProxiedWorker(Worker):
    """A worker, and the gates at which it waits for its Redis."""

    def __init__(self, proxy: RedisProxy, home: Path, environment: dict[str, str], /, **settings: str) -> None:
        super().__init__(proxy.url, home, environment, **settings)
        self.proxy = proxy
        self.picks = proxy.hold("pick")
        """Nothing is taken before it is opened. The worker leads meanwhile, and renews its leases."""
        self._frozen: list[int] = []

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
        return {self.pid, *descendants(self.pid)}


class ProxiedProduct(Product):
    """Its api's proxy is `proxy`; workers come and go, each with a proxy of its own."""

    def start_api(self, **settings: str) -> Api:
        self.backstage = Backstage(self.redis, self.home / "bucket")
        self.proxy = self._stack.enter_context(RedisProxy(self.redis))
        return super().start_api(redis_url=self.proxy.url, **settings)

    def worker_named(self, name: str, *, takes: bool = True, path: str = "", **settings: str) -> ProxiedWorker:
        """A running one. path goes before its PATH."""
        proxy = self._stack.enter_context(RedisProxy(self.redis))
        environment = {**self.environment, "PATH": path + ffmpeg.path_with_ffmpeg()}
        told = {"lease": str(LEASE), "worker_name": name, **settings}
        worker = ProxiedWorker(proxy, self.home, environment, **told)
        if takes:
            worker.picks.open()
        return self._stack.enter_context(worker)

    def begin(self, url: str) -> Watcher:
        """Posts a job and watches it from now on."""
        return self.follow(self.post(url))

    def check_ended(self, watcher: Watcher, status: str = "completed") -> Data:
        """The record says what the watcher was told; what it leads to is there."""
        last = watcher.end()
        assert last["status"] == status, last
        shown = self.job(last["job_id"])
        assert (shown["status"], shown["seq"], shown["attempt"]) == (status, last["seq"], last["attempt"])
        assert [data["seq"] for data in self.follow(last["job_id"]).ends] in ([], [last["seq"]])
        if status == "completed":
            file = self.client.get(last["result"]["file_url"], follow_redirects=True)
            assert (file.status_code, len(file.content)) == (200, last["result"]["size"])
        return last

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


def kill(worker: Worker) -> float:
    """When that was, by the clock of this machine."""
    worker.signal(signal.SIGKILL)
    when = time.time()
    worker.wait()
    return when


def seconds_after(when: float, data: Data) -> float:
    """From then to when a message was made."""
    return datetime.fromisoformat(data["timestamp"]).timestamp() - when
