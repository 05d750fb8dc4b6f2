"""An api, a gateway and workers as processes of their own, and what the people who use them see."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from support.api_process import ApiProcess
from support.children import children_of, descendants, processes
from support.gateway_process import GatewayProcess
from support.redis_server import RedisServer, redis_server
from support.stack import Watched, drain
from support.worker_process import WorkerProcess
from vidferry_common.contract import keys
from vidferry_common.store import RedisSettings, connect_redis

SECONDS = 60.0
"""for what has no promised time: the machine may be busy with other tests"""
GLANCE = 0.02
TERMINAL = {"completed", "failed", "cancelled"}
KEPT = (keys.JOB, keys.DOWNLOAD, keys.IDEMPOTENCY, keys.OBJECT_BY_URL, keys.REQUESTS)
"""records, which stay until they expire"""
SHARED = {keys.DOORBELL, keys.LEADER, keys.PINNED, keys.WORKERS, keys.ENDED, keys.ROOM}


@dataclass
class Whole:
    """All that runs."""

    home: Path
    redis: RedisServer
    api: ApiProcess
    gateway: GatewayProcess
    client: httpx2.Client
    workers: list[WorkerProcess] = field(default_factory=list)

    def post(self, url: str, fmt: Mapping[str, str] | None = None, caller: str = "", **fields: Any) -> str:
        """The job's id. caller is an address that a proxy tells."""
        headers = {"X-Forwarded-For": caller} if caller else {}
        body = {"url": url, **({"format": fmt} if fmt else {}), **fields}
        response = self.client.post("/api/download", json=body, headers=headers)
        assert response.status_code == 202, response.text
        return str(response.json()["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.client.get(f"/api/jobs/{job_id}").json())

    def cancel(self, job_id: str) -> None:
        response = self.client.delete(f"/api/jobs/{job_id}")
        assert response.status_code == 200, response.text

    def socket(self, job_id: str) -> ClientConnection:
        return connect(self.gateway.uri(job_id), open_timeout=20)

    def watch(self, job_id: str) -> Watched:
        """All that a watcher is sent, to the close."""
        with self.socket(job_id) as socket:
            return drain(socket)

    def until(self, job_id: str, check: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The job, once check() is true of it."""
        found: dict[str, Any] = {}

        def true() -> bool:
            found.update(self.job(job_id))
            return check(found)

        wait_until(true, lambda: f"stays at {found}")
        return found

    def reached(self, job_id: str, stage: str) -> dict[str, Any]:
        return self.until(job_id, lambda job: job["stage"] == stage)

    def children(self, worker: int = 0) -> set[int]:
        """The pids of a worker's downloads and of what they started; without its zygote, which stays."""
        (zygote,) = children_of(self.workers[worker].process.pid)
        return descendants(zygote)

    def left(self) -> list[str]:
        """Whatever is of no use once all jobs have ended: files, processes, keys."""
        files = [str(path) for worker in self.workers for path in worker.left()]
        files += map(str, (self.home / "bucket" / "incoming").glob("*"))
        pids = [f"process {pid}" for number in range(len(self.workers)) for pid in self.children(number)]
        found = asyncio.run(self._keys())
        return files + pids + [key for key in found if not key.startswith(KEPT) and key not in SHARED]

    def videos(self) -> list[Path]:
        """Records of what can be seen in the folder that is the bucket; pictures are none."""
        found = (self.home / "bucket" / "objects").rglob("*#meta")
        return [path for path in found if not path.name.startswith("thumbnail")]

    def settle(self) -> None:
        """Nothing is left behind; it may take a moment after a job's last message."""
        left: list[str] = []

        def nothing() -> bool:
            left[:] = self.left()
            return not left

        wait_until(nothing, lambda: f"left behind: {left}")

    async def _keys(self) -> list[str]:
        client = connect_redis(RedisSettings.model_validate({"redis_url": self.redis.url}))
        try:
            return [key.decode() for key in await client.keys("*")]
        finally:
            await client.aclose(close_connection_pool=True)


def wait_until(check: Callable[[], object], why: Callable[[], str], seconds: float = SECONDS) -> None:
    """Until check() is true; AssertionError with the reason where it does not become so."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, why()
        time.sleep(GLANCE)


def gone(pids: set[int]) -> bool:
    """Whether all of these have ended."""
    return not pids & set(processes())


@contextmanager
def whole(
    home: Path, *workers: Mapping[str, str], environment: Mapping[str, str] | None = None, begin: bool = True
) -> Iterator[Whole]:
    """Running; for each worker its settings, and for all of them more of the environment. They may be begun later."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        (home / "bucket").mkdir()
        api = ApiProcess(redis.url, home / "bucket", log_level="warning").start()
        stack.callback(api.close)
        gateway = GatewayProcess(redis.url, log_level="info").start()
        stack.callback(gateway.close)
        client = stack.enter_context(httpx2.Client(base_url=api.url, timeout=SECONDS))
        product = Whole(home, redis, api, gateway, client)
        for number, settings in enumerate(workers):
            worker = WorkerProcess(redis, home, worker_name=f"worker-{number}", **{"log_level": "info", **settings})
            worker.environment.update(environment or {})
            stack.callback(_close, worker)
            product.workers.append(worker.start() if begin else worker)
        yield product


def _close(worker: WorkerProcess) -> None:
    with contextlib.suppress(AttributeError):  # it was never started
        worker.close()


def terminals(watched: Watched) -> list[dict[str, Any]]:
    """The last messages among those; there may be but one."""
    return [data for data in watched.data if data["status"] in TERMINAL]


def received(socket: ClientConnection) -> dict[str, Any]:
    """The `data` of the next message."""
    return dict(json.loads(socket.recv(timeout=SECONDS))["data"])
