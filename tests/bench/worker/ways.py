"""The ways to download that are compared: each returns seconds of wall and of CPU, of all but the site."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.life.product import ear, ended
from bench.worker import cpu
from support import ffmpeg
from support.children import next_event, order
from support.jobs import Jobs, jobs_in
from support.redis_server import RedisServer, redis_server
from support.services import Worker
from support.zygotes import LOOPBACK
from vidferry_worker.children.protocol import GoOrder
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.network.broker import Broker
from vidferry_worker.settings import WorkerSettings

YT_DLP = Path(sys.executable).with_name("yt-dlp")
SECONDS = 600


@dataclass
class Cost:
    """Of one run."""

    wall: float
    cpu: float


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """The address of an origin."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.worker.origin", str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def anew(address: str, path: str) -> str:
    """An address of a file that nothing has asked for before."""
    return f"{address}/{uuid.uuid4().hex}/{path}"


def run(command: Sequence[str | Path], folder: Path, given: str | None = None) -> Cost:
    """A program and all that it starts."""
    environment = {**os.environ, "PATH": ffmpeg.path_with_ffmpeg(), "HOME": str(folder)}
    begun, before = time.perf_counter(), os.times()
    subprocess.run(
        command, cwd=folder, env=environment, input=given, text=True, check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(time.perf_counter() - begun, spent)


def yt_dlp(url: str) -> Cost:
    """yt-dlp's own command line, as it comes."""
    with TemporaryDirectory(prefix="vidferry-bench-") as folder:
        return run([YT_DLP, "--ignore-config", url], Path(folder))


def yt_dlp_side_by_side(urls: Sequence[str]) -> Cost:
    """One process a video, two at once."""
    with TemporaryDirectory(prefix="vidferry-bench-") as folder:
        alone = f'cd "$(mktemp -d -p .)" && exec "{YT_DLP}" --ignore-config "{{}}"'
        command = ["xargs", "-P2", "-I{}", "sh", "-c", alone]
        return run(command, Path(folder), "\n".join(urls) + "\n")


def bare_merge(folder: Path) -> Cost:
    """ffmpeg, as one would type it."""
    return run(["ffmpeg", "-y", "-i", "video.mp4", "-i", "audio.m4a", "-c", "copy", "out.mp4"], folder)


class Floor:
    """The worker's zygote and its children alone: no queue, no record, no message, no bucket."""

    def __init__(self, zygote: Zygote, folder: Path) -> None:
        self._zygote, self._folder = zygote, folder

    async def download(self, urls: Sequence[str], at_once: int = 1) -> Cost:
        turns = asyncio.Semaphore(at_once)

        async def one(url: str) -> None:
            async with turns:
                with TemporaryDirectory(dir=self._folder) as folder:
                    await self._one(url, Path(folder))

        begun, before = time.perf_counter(), self._spent()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*map(one, urls))
        return Cost(time.perf_counter() - begun, self._spent() - before)

    async def merge(self, url: str) -> Cost:
        """From the last byte of its two streams to the end."""
        finished: list[tuple[float, float]] = []

        def see(event: dict[str, Any]) -> None:
            if event["event"] == "progress" and event["finished"]:
                finished.append((time.perf_counter(), self._spent()))

        with TemporaryDirectory(dir=self._folder) as folder:
            await self._one(url, Path(folder), see)
        begun, before = finished[1]
        return Cost(time.perf_counter() - begun, self._spent() - before)

    async def _one(self, url: str, folder: Path, see: Callable[[dict[str, Any]], object] = id) -> None:
        child = await self._zygote.fork(folder)
        try:
            order(child, url, max_duration=7200, max_bytes=20 * 1024**3)
            while (event := await next_event(child))["event"] != "done":
                see(event)
                assert event["event"] != "failed", event
                if event["event"] == "found":
                    child.send_order(GoOrder(WorkerSettings.model_fields["fragments"].default))
        finally:
            await child.close()

    def _spent(self) -> float:
        return time.process_time() + cpu.spent(self.pid)

    @property
    def pid(self) -> int:
        """The zygote's."""
        assert self._zygote._process
        return self._zygote._process.pid


@asynccontextmanager
async def floor() -> AsyncIterator[Floor]:
    os.environ["PATH"] = ffmpeg.path_with_ffmpeg()
    zygote = Zygote(Broker(LOOPBACK))
    await zygote.start()
    try:
        with TemporaryDirectory(prefix="vidferry-bench-") as folder:
            yield Floor(zygote, Path(folder))
    finally:
        await zygote.close()


@dataclass
class Vidferry:
    """A worker with its Redis and a folder as its bucket."""

    worker: Worker
    redis: RedisServer
    jobs: Jobs

    async def download(self, urls: Sequence[str]) -> Cost:
        """From the queue to the bucket, as many at once as the worker has slots."""
        async with ear(self.redis) as heard:
            begun, before = time.perf_counter(), self._spent()
            given = [await self.jobs.give(url) for url in urls]
            for job in given:
                await heard.first(job.job_id, ended, SECONDS)
            found = Cost(time.perf_counter() - begun, self._spent() - before)
        for job in given:
            record = await self.jobs.store.jobs.read(job.job_id)
            assert record
            assert record.state["status"] == "completed", record.state
        return found

    @property
    def zygote(self) -> int:
        return cpu.children(self.worker.pid)[0]

    @property
    def _redis_pid(self) -> int:
        assert self.redis._process
        return self.redis._process.pid

    def _spent(self) -> float:
        return cpu.spent(self.worker.pid) + cpu.spent(self._redis_pid)


@asynccontextmanager
async def vidferry(environment: Mapping[str, str] | None = None, **settings: str) -> AsyncIterator[Vidferry]:
    """With variables that are no settings of ours, and settings."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="vidferry-bench-")))
        redis = stack.enter_context(redis_server())
        worker = stack.enter_context(Worker(redis.url, home, environment, log_level="info", **settings))
        async with jobs_in(redis) as jobs:
            yield Vidferry(worker, redis, jobs)
