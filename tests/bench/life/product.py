"""The services that are measured, each a process of its own, and what their jobs tell."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from support.api_process import ApiProcess
from support.origin.server import Origin
from support.redis_server import RedisServer, redis_server
from support.worker_process import worker
from vidferry_common.contract import keys
from vidferry_common.store import RedisSettings, connect_redis
from vidferry_common.store.client import RedisClient


@dataclass
class Product:
    """One api, one worker, one Redis that puts everything on disk, one origin."""

    redis: RedisServer
    api: ApiProcess
    origin: Origin


@contextmanager
def product(**worker_settings: str) -> Iterator[Product]:
    """Running."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="vidferry-bench-")))
        redis = stack.enter_context(redis_server())
        origin = stack.enter_context(Origin())
        stack.enter_context(worker(redis, home, log_level="info", **worker_settings))
        api = ApiProcess(redis.url, home / "bucket", log_level="warning").start()
        stack.callback(api.close)
        yield Product(redis, api, origin)


class Ear:
    """Hears when the messages of all jobs are published."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._heard: dict[str, list[tuple[float, dict[str, Any]]]] = {}
        self._news = asyncio.Condition()

    async def listen(self, ready: asyncio.Event) -> None:
        """Until cancelled."""
        channel = self._client.pubsub()
        await channel.psubscribe(keys.CHANNEL + "*")
        async for message in channel.listen():
            now = time.perf_counter()
            if message["type"] == "psubscribe":
                ready.set()
                continue
            async with self._news:
                job_id = message["channel"].decode().removeprefix(keys.CHANNEL)
                self._heard.setdefault(job_id, []).append((now, json.loads(message["data"])["data"]))
                self._news.notify_all()

    async def first(self, job_id: str, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60) -> float:
        """When the first such message of the job was heard, by time.perf_counter()."""
        async with asyncio.timeout(seconds), self._news:
            while True:
                for moment, data in self._heard.get(job_id, []):
                    if wanted(data):
                        return moment
                await self._news.wait()


@asynccontextmanager
async def ear(redis: RedisServer) -> AsyncIterator[Ear]:
    client = connect_redis(RedisSettings.model_validate({"redis_url": redis.url}))
    heard, ready = Ear(client), asyncio.Event()
    task = asyncio.create_task(heard.listen(ready))
    await ready.wait()
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose(close_connection_pool=True)


async def post(client: httpx2.AsyncClient, url: str, **fields: Any) -> tuple[str, float]:
    """The job's id, and when it was posted."""
    begun = time.perf_counter()
    response = await client.post("/api/download", json={"url": url, **fields})
    response.raise_for_status()
    return response.json()["job_id"], begun


def ended(data: dict[str, Any]) -> bool:
    return data["status"] in {"completed", "failed"}
