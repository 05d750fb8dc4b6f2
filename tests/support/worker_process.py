"""The worker as a process of its own, and the jobs that a test gives it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, cast

from support import ffmpeg
from support.redis_server import RedisServer
from vidferry_common.contract import keys
from vidferry_common.contract.formats import Format
from vidferry_common.contract.trace import continue_trace
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.store import Cancelled, NewJob, RedisSettings, Store, connect_redis
from vidferry_common.store.client import RedisClient
from vidferry_worker.metrics import WorkerMetrics

SECONDS = 40.0
ALL_SLOTS = {"site_share": "1", "caller_share": "1"}
"""to one site and one caller, since tests and measurements have no more"""


class HasUrl(Protocol):
    """A Redis, or Sentinels."""

    @property
    def url(self) -> str: ...


class WorkerProcess:
    """`python -m vidferry_worker` with a folder as the bucket. Its log is kept, line by line."""

    def __init__(self, redis: HasUrl, home: Path, **settings: str) -> None:
        self.folder = Path(settings.get("worker_folder", home / "work"))
        given = {
            "bucket": f"file://{home}/bucket", "signing_key": "k" * 32, "redis_url": redis.url,
            "worker_folder": str(self.folder), "egress_allow": "127.0.0.0/8", "retry_delay": "0.1",
            "log_level": "debug", "admin_port": "0", **ALL_SLOTS, **settings,
        }  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VIDFERRY_")}
        self.environment = {
            **environment,
            "PATH": ffmpeg.path_with_ffmpeg(),
            **{f"VIDFERRY_{name.upper()}": value for name, value in given.items()},
        }
        (home / "bucket").mkdir(exist_ok=True)
        self.command = [sys.executable, "-m", "vidferry_worker"]
        self._lines: list[str] = []
        self._over = False
        self._news = threading.Condition()

    def start(self, until: str = "worker ready") -> Self:
        """Returns when it has logged that: by default, when it takes downloads."""
        self.process = subprocess.Popen(self.command, env=self.environment, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.wait_for(until)
        return self

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The entries so far with that message."""
        with self._news:
            entries = [json.loads(line) for line in self._lines if line.startswith("{")]
        return [entry for entry in entries if entry["message"].startswith(message)]

    def wait_for(self, message: str) -> None:
        with self._news:
            if not self._news.wait_for(lambda: self.logged(message) or self._over, SECONDS) or self._over:
                raise AssertionError(f"not logged: {message}\n{self.log}")

    def left(self) -> list[Path]:
        """What is in its folder, besides the folders and locks of running workers."""
        return sorted(self.folder.glob("*/*")) if self.folder.exists() else []

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit status."""
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()


def worker_metrics() -> WorkerMetrics:
    """For parts of a worker in the test's own process."""
    return WorkerMetrics(Registry(Service.WORKER), slots=4)


@contextmanager
def worker(redis: RedisServer, home: Path, **settings: str) -> Iterator[WorkerProcess]:
    """A running one; its settings as keywords."""
    process = WorkerProcess(redis, home, **settings)
    try:
        yield process.start()
    finally:
        process.close()


@dataclass
class Jobs:
    """Jobs in a Redis, given and watched."""

    store: Store
    redis: RedisClient

    async def give(self, url: str, fmt: str = "1080-any") -> NewJob:
        job = NewJob(
            str(uuid.uuid4()), str(uuid.uuid4()), os.urandom(4).hex(), url, Format.parse(fmt), "http://localhost:3001",
            continue_trace(None),
        )  # fmt: skip
        await self.store.jobs.create(job, 1000)
        return job

    async def cancel(self, job: NewJob) -> None:
        """As the api does: what the job told since it was read asks for another try."""
        outcome = None
        while outcome is not Cancelled.CANCELLED:
            record = await self.store.jobs.read(job.job_id)
            assert record is not None
            outcome = await self.store.jobs.cancel(record)
            assert outcome is not Cancelled.ENDED

    async def until(
        self, job: NewJob, check: Callable[[dict[str, Any]], bool], seconds: float = SECONDS
    ) -> dict[str, Any]:
        """The job's state, once check() is true of it."""
        data: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    record = await self.store.jobs.read(job.job_id)
                    assert record is not None
                    data = record.state
                    if check(data):
                        return data
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"stays at {data}") from None

    async def end(self, job: NewJob) -> dict[str, Any]:
        return await self.until(job, lambda data: data["status"] in {"completed", "failed"})

    async def history(self, job: NewJob) -> list[dict[str, Any]]:
        """The `data` of its steps."""
        reply: Any = self.redis.lrange(keys.JOB + job.job_id + keys.HISTORY, 0, -1)
        return [json.loads(message)["data"] for message in await reply]

    async def field(self, job: NewJob, name: str) -> str:
        """Of the download's record, or of the job's once both have ended."""
        kept = await cast("Any", self.redis.hget(keys.JOB + job.job_id, name))
        value: bytes = kept or await cast("Any", self.redis.hget(keys.DOWNLOAD + job.download_id, name))
        return value.decode()


@asynccontextmanager
async def jobs_in(redis: RedisServer) -> AsyncIterator[Jobs]:
    client = connect_redis(RedisSettings.model_validate({"redis_url": redis.url}))
    try:
        yield Jobs(Store(client, 3600), client)
    finally:
        await client.aclose(close_connection_pool=True)
