"""Jobs that tests make: a Job that the test moves on in a worker's place, and Jobs for a worker to take."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from support.redis_server import RedisServer
from vidferry_common.contract import keys
from vidferry_common.contract.formats import Format
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import NEW_VIDEO, Stage, Status, Step
from vidferry_common.contract.trace import continue_trace
from vidferry_common.store import Cancelled, Claim, Ending, NewJob, RedisSettings, Store, connect_redis
from vidferry_common.store.client import RedisClient

SECONDS = 40.0


@asynccontextmanager
async def redis_client(server: RedisServer) -> AsyncIterator[RedisClient]:
    client = connect_redis(RedisSettings.model_validate({"redis_url": server.url}))
    try:
        yield client
    finally:
        await client.aclose(close_connection_pool=True)


class Job:
    """A job and its download, claimed by this test."""

    def __init__(self, store: Store, job_id: str, claim: Claim) -> None:
        self.store, self.id, self.claim = store, job_id, claim
        self._update = Update(Status.PROCESSING, Stage.STARTED, 5, "Processing started", claim.attempt)

    @classmethod
    async def create(cls, store: Store, owner: str = "", traceparent: str = "") -> "Job":
        job_id, download_id = str(uuid.uuid4()), str(uuid.uuid4())
        await store.jobs.create(
            NewJob(
                job_id, download_id, os.urandom(4).hex(), f"https://example.com/{download_id}", Format(),
                "http://localhost:3001", traceparent or continue_trace(None), owner=owner,
            ),
            queue_cap=100_000,
        )  # fmt: skip
        claim = await store.leases.claim(download_id, 1, 60, "test")
        assert claim is not None
        return cls(store, job_id, claim)

    async def step(self, step: Step) -> None:
        self._update = self._update.at_step(step)
        assert await self.store.downloads.publish(self.claim, self._update.body(), step=True) is not None

    async def steps(self, first: int, last: int) -> None:
        """Those of a new video, by their place in it."""
        for step in NEW_VIDEO[first:last]:
            await self.step(step)

    async def progress(self, percent: float) -> None:
        moved = Update(Status.PROCESSING, Stage.DOWNLOADING, percent, "Downloading video", self.claim.attempt)
        await self.tell(moved)

    async def tell(self, update: Update) -> None:
        """Anything that is no step."""
        assert await self.store.downloads.publish(self.claim, update.body(), step=False) is not None

    async def finish(self) -> None:
        done = Update(Status.COMPLETED, Stage.DONE, 100, "Done", self.claim.attempt)
        done = replace(done, result={"title": "A video"})  # type: ignore[arg-type]  # what it holds means nothing here
        assert await self.store.downloads.finish(self.claim, done.body(), Ending()) is not None


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
    async with redis_client(redis) as client:
        yield Jobs(Store(client, 3600), client)
