"""Vidferry as a cluster runs it: an api, gateways and workers on one Redis and one bucket, and what its users ask."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import httpx2

from support.answers import accepted
from support.children import children_of, descendants, processes
from support.jobs import redis_client
from support.ports import free_port
from support.redis_server import redis_server
from support.scrape import Admin
from support.services import SECONDS, Api, Gateway, Worker
from support.watchers import Watcher
from vidferry_common.contract import keys

KEPT = (
    keys.JOB,
    keys.DOWNLOAD,
    keys.IDEMPOTENCY,
    keys.OBJECT_BY_URL,
    keys.OBJECTS,
    keys.OBJECT_WALK,
    keys.OWNER_BYTES,
    keys.PROBE_BY_URL,
    keys.REQUESTS,
    keys.JOBS_BY_OWNER,
    keys.JOBS_BY_EXTERNAL_ID,
    keys.RECEIVER,
    keys.ENDED_JOBS,
    keys.ENDED_PROBES,
    keys.YT_DLP_ATTEMPTS,
)
"""records, which stay until they expire, and what is known of the bucket and of yt-dlp"""
TASK_QUEUES = (keys.BATCHES, keys.BATCH_NEWS, keys.PROBES, keys.DELIVERIES)
SHARED = {
    keys.DOORBELL, keys.LEADER, keys.PINNED, keys.WORKERS, keys.ENDED_LISTS, keys.ENDED, keys.ROOM,
    keys.WORKER_VERSIONS, keys.REPORTING_WORKERS, keys.BUNDLE, keys.BUNDLE_BEFORE, keys.BUNDLE_LOOKS, keys.HELD_BUNDLES,
    keys.AWAITING_BUNDLE,
    *(queue + keys.TASK_DOORBELL for queue in TASK_QUEUES),
}  # fmt: skip


WORK = {keys.QUEUE, keys.DELAYED, keys.LEASES, keys.BATCHES, keys.BATCH_NEWS}
"""what waits for a worker, or is done by one"""


class HasUrl(Protocol):
    """A Redis, or Sentinels."""

    @property
    def url(self) -> str: ...


class Product:
    """An api, gateways and workers; more of each are started and stopped as a test likes.

    home is the folder of the bucket and of the workers, workers has the settings of each, redis is a server of its own
    unless one is given, environment is what all are told besides, and python is of another installation of Vidferry.
    With admin, each has its admin port.
    """

    def __init__(
        self,
        home: Path,
        *workers: Mapping[str, str],
        redis: HasUrl | None = None,
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
        gateways: int = 1,
        admin: bool = False,
    ) -> None:
        self.home, self.environment, self.python = home, environment or {}, python
        self.workers: list[Worker] = []
        self.gateways: list[Gateway] = []
        self._given_redis, self._worker_settings, self._gateway_count, self._admin = redis, workers, gateways, admin

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._stack = stack
            self.redis: Any = self._given_redis or stack.enter_context(redis_server())
            (self.home / "bucket").mkdir(exist_ok=True)
            self.start_api()
            for _ in range(self._gateway_count):
                self.start_gateway()
            for settings in self._worker_settings:
                self.start_worker(**settings)
            if self._admin:
                for service in (self.api, *self.gateways, *self.workers):
                    service.admin.wait("/readyz", 200)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @contextmanager
    def crew(self) -> Iterator[None]:
        """What is started within is closed afterwards."""
        outer, workers, gateways = self._stack, len(self.workers), len(self.gateways)
        try:
            with ExitStack() as self._stack:
                yield
        finally:
            self._stack = outer
            del self.workers[workers:], self.gateways[gateways:]

    def _admin_port(self) -> dict[str, str]:
        return {"admin_port": str(free_port())} if self._admin else {}

    def start_api(self, **settings: str) -> Api:
        """It is the one that is asked from now on."""
        told = {**self._admin_port(), **settings}
        self.api = self._stack.enter_context(
            Api(self.redis.url, self.home / "bucket", self.environment, self.python, **told)
        )
        self.client = self._stack.enter_context(httpx2.Client(base_url=self.api.url, timeout=SECONDS, verify=False))
        return self.api

    def start_gateway(self, **settings: str) -> Gateway:
        told = {"log_level": "info", "gateway_probe_seconds": "0.5", **self._admin_port(), **settings}
        gateway = self._stack.enter_context(Gateway(self.redis.url, self.environment, self.python, **told))
        gateway.wait_for("connected to Redis")
        self.gateways.append(gateway)
        return gateway

    def start_worker(self, **settings: str) -> Worker:
        told = {"log_level": "info", "worker_name": f"worker-{len(self.workers)}", **self._admin_port(), **settings}
        self.workers.append(
            self._stack.enter_context(Worker(self.redis.url, self.home, self.environment, self.python, **told))
        )
        return self.workers[-1]

    @property
    def gateway(self) -> Gateway:
        """The first one."""
        return self.gateways[0]

    @property
    def worker(self) -> Worker:
        """The first one."""
        return self.workers[0]

    @property
    def admins(self) -> tuple[Admin, Admin, Admin]:
        return self.api.admin, self.worker.admin, self.gateway.admin

    def post(
        self,
        url: str,
        fmt: Mapping[str, str] | None = None,
        caller: str = "",
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> str:
        """The job's id. caller is an address that a proxy tells."""
        told = {**({"X-Forwarded-For": caller} if caller else {}), **(headers or {})}
        body = {"url": url, **({"format": fmt} if fmt else {}), **fields}
        return str(accepted(self.client.post("/api/download", json=body, headers=told))["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def cancel(self, job_id: str) -> None:
        answer = self.client.delete(f"/api/jobs/{job_id}")
        assert answer.status_code == 200, answer.text

    def follow(self, job_id: str) -> Watcher:
        """Watches a job from now on; like any client it waits where the gateway has lost its Redis."""
        wait_until(lambda: self.gateway.sees_redis, lambda: self.gateway.log)
        watcher = Watcher(self.gateway.uri(job_id))
        watcher.first()
        return watcher

    def watch(self, job_id: str) -> Watcher:
        """Watches a job to the close."""
        return Watcher(self.gateway.uri(job_id)).closed()

    def run(self, url: str) -> Watcher:
        """Posts a job and watches it to the close."""
        return self.watch(self.post(url))

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
        (zygote,) = children_of(self.workers[worker].pid)
        return descendants(zygote)

    def videos(self) -> list[Path]:
        """Records of what can be seen in the folder that is the bucket; pictures are none."""
        found = (self.home / "bucket" / "objects").rglob("*#meta")
        return [path for path in found if not path.name.startswith("thumbnail")]

    def keys(self, pattern: str = "*") -> list[str]:
        """In Redis."""

        async def ask() -> list[str]:
            async with redis_client(self.redis) as client:
                return sorted(key.decode() for key in await client.keys(pattern))

        return asyncio.run(ask())

    def left(self) -> list[str]:
        """Whatever is of no use once all jobs have ended: files, processes, keys."""
        pids = [f"process {pid}" for number in range(len(self.workers)) for pid in self.children(number)]
        return self.files_left() + pids + self.keys_left()

    def files_left(self) -> list[str]:
        files = {path for worker in self.workers for path in worker.left()}
        return sorted(map(str, [*files, *(self.home / "bucket" / "incoming").glob("*")]))

    def keys_left(self) -> list[str]:
        """No queue, lease, mark or index is of use then."""
        return [key for key in self.keys() if not key.startswith(KEPT) and key not in SHARED]

    def rest(self) -> None:
        """Nothing waits or is done any more; ended jobs may have left what they need to be retried."""
        left: set[str] = set()

        def nothing() -> bool:
            left.clear()
            left.update(WORK & set(self.keys()))
            return not left

        wait_until(nothing, lambda: f"goes on: {left}")

    def settle(self) -> None:
        """Nothing is left behind; it may take a moment after a job's last message."""
        left: list[str] = []

        def nothing() -> bool:
            left[:] = self.left()
            return not left

        wait_until(nothing, lambda: f"left behind: {left}")


def wait_until(
    check: Callable[[], object], why: Callable[[], str] = lambda: "it never was", seconds: float = SECONDS
) -> None:
    """Until check() is true; AssertionError with the reason where it does not become so."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)


def gone(pids: set[int]) -> bool:
    """Whether all of these have ended."""
    return not pids & set(processes())
