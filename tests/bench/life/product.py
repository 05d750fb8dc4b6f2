"""The services that are measured, each a process of its own, and what their jobs tell."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from support.jobs import redis_client
from support.origin.server import Origin
from support.product import Product
from support.redis_server import RedisServer
from vidferry_common.contract import keys
from vidferry_common.store.client import RedisClient


@contextmanager
def product(**worker_settings: str) -> Iterator[tuple[Product, Origin]]:
    """One api, one worker, one Redis that puts everything on disk, one origin; no gateway, which asks Redis as well."""
    with (
        TemporaryDirectory(prefix="vidferry-bench-") as home,
        Origin() as origin,
        Product(Path(home), worker_settings, gateways=0) as running,
    ):
        yield running, origin


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
    async with redis_client(redis) as client:
        heard, ready = Ear(client), asyncio.Event()
        task = asyncio.create_task(heard.listen(ready))
        await ready.wait()
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def post(client: httpx2.AsyncClient, url: str, **fields: Any) -> tuple[str, float]:
    """The job's id, and when it was posted."""
    begun = time.perf_counter()
    response = await client.post("/api/download", json={"url": url, **fields})
    response.raise_for_status()
    return response.json()["job_id"], begun


def ended(data: dict[str, Any]) -> bool:
    return data["status"] in {"completed", "failed"}
