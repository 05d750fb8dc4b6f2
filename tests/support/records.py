"""What the tests of the records share: jobs with little to say, and what Redis holds of them."""

import asyncio
import json
import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio.client import PubSub

from vidferry_common.contract import keys
from vidferry_common.contract.formats import Format
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import DOWNLOAD_STARTED, INFO, STARTED, Stage, Status, Step
from vidferry_common.contract.trace import continue_trace
from vidferry_common.store import Cancelled, Cause, Claim, DownloadRecord, JobRecord, Limits, NewJob, Requeue, Store
from vidferry_common.store.client import RedisClient

SECONDS = 3600
CAP = 1000
ROOT = 'https://host.example/a "prefix"'


def new_job(url: str = "", **fields: Any) -> NewJob:
    """One that no other test shares."""
    given: dict[str, Any] = {
        "job_id": str(uuid.uuid4()),
        "download_id": str(uuid.uuid4()),
        "epoch": os.urandom(4).hex(),
        "url": url or f"https://example.com/{uuid.uuid4()}",
        "format": Format(),
        "public_root": ROOT,
        "traceparent": continue_trace(None),
    }
    return NewJob(**(given | fields))


def at(step: Step, attempt: int = 1, **changes: Any) -> Update:
    return Update(Status.PROCESSING, Stage.STARTED, 0, "", attempt).at_step(step, **changes)


def body(step: Step, attempt: int = 1, **changes: Any) -> bytes:
    return at(step, attempt, **changes).body()


@dataclass
class Records:
    """One Redis, through the store and without it."""

    store: Store
    redis: RedisClient
    told: dict[str, PubSub] = field(default_factory=dict)

    async def created(self, **fields: Any) -> NewJob:
        job = new_job(**fields)
        await self.store.jobs.create(job, CAP)
        return job

    async def claimed(self, job: NewJob | None = None, attempt: int = 1, lease: float = 60) -> tuple[NewJob, Claim]:
        job = job or await self.created()
        claim = await self.store.leases.claim(job.download_id, attempt, lease, "worker")
        assert claim is not None
        return job, claim

    async def retried(self, job: NewJob, attempt: int = 1, delay: float = 60) -> None:
        """Its attempt failed, and waits for the next."""
        how = Requeue(Cause.RETRY, at(INFO, attempt), delay, limit=9)
        assert await self.store.downloads.requeue(job.download_id, attempt, how) == "requeued"

    async def picked(self, count: int = 100, **limits: Any) -> list[str]:
        """The ids of the downloads that a worker with so many free slots may start."""
        arq_ids, _ = await self.store.queue.pick(count, Limits(**limits))
        return [arq_id.decode().rpartition(":")[0] for arq_id in arq_ids]

    async def expired(self) -> list[str]:
        """What the leader finds."""
        found = await self.store.leases.find_expired("leader", 60, 60, 60)
        assert found is not None
        return found

    async def read(self, job: NewJob) -> JobRecord:
        found = await self.store.jobs.read(job.job_id)
        assert found is not None
        return found

    async def download(self, download_id: str) -> DownloadRecord:
        found = await self.store.downloads.read(download_id)
        assert found is not None
        return found

    async def cancel(self, job: NewJob) -> Cancelled:
        return await self.store.jobs.cancel(await self.read(job))

    async def made_due(self, job: NewJob, seconds_ago: float) -> None:
        """As if its attempt on the queue had been put there then."""
        due, key = int(await self.now_ms() - seconds_ago * 1000), keys.DOWNLOAD + job.download_id
        attempt = int(await of(self.redis.hget(key, "attempt"))) + 1
        await of(self.redis.hset(key, mapping={"due": due, "queued_since": due}))
        score = due - int(await of(self.redis.hget(key, "head_start")))
        await self.redis.zadd(keys.QUEUE, {keys.arq_id(job.download_id, attempt): score})

    async def aged(self, job: NewJob, seconds: float) -> None:
        """As if it had been put on the queue that many seconds ago, wherever it waits now."""
        key, arq_id = keys.DOWNLOAD + job.download_id, keys.arq_id(job.download_id, 1)
        since = int(await self.now_ms() - seconds * 1000)
        await of(self.redis.hset(key, mapping={"due": since, "queued_since": since}))
        score = since - int(await of(self.redis.hget(key, "head_start")))
        for line in [keys.QUEUE, *await self.redis.keys(keys.LINE + "*")]:
            if (await self.redis.zscore(line, arq_id) or keys.PARKED_SCORE) < keys.PARKED_SCORE:
                await self.redis.zadd(line, {arq_id: score})

    async def step(self, claim: Claim, *steps: Step) -> None:
        for step in steps or (STARTED, INFO, DOWNLOAD_STARTED):
            assert await self.store.downloads.publish(claim, body(step, claim.attempt), step=True) is not None

    async def state(self, job_id: str) -> dict[str, Any]:
        """The newest message, whole."""
        message: dict[str, Any] = json.loads(await of(self.redis.hget(keys.JOB + job_id, "state")))
        return message

    async def history(self, job_id: str) -> list[dict[str, Any]]:
        """The stage changes, whole."""
        stored = await of(self.redis.lrange(keys.JOB + job_id + keys.HISTORY, 0, -1))
        return [json.loads(message) for message in stored]

    async def listen(self, job_id: str) -> None:
        """From here on: heard() has what is published."""
        self.told[job_id] = self.redis.pubsub()
        await self.told[job_id].subscribe(keys.CHANNEL + job_id)
        async with asyncio.timeout(10):
            while await self.told[job_id].get_message(timeout=1) is None:
                pass

    async def heard(self, job_id: str) -> list[dict[str, Any]]:
        """All that was published since: what a connection was sent comes before the answer to its PING."""
        channel = self.told[job_id]
        found: list[dict[str, Any]] = []
        await channel.ping()
        async with asyncio.timeout(10):
            while True:
                message = await channel.get_message(timeout=1)
                if message and message["type"] == "pong":
                    return found
                if message and message["type"] == "message":
                    found.append(json.loads(message["data"]))

    async def dump(self) -> dict[bytes, Any]:
        """Everything in Redis, to tell that nothing has changed."""
        found: dict[bytes, Any] = {}
        for key in await self.redis.keys("*"):
            match await self.redis.type(key):
                case b"hash":
                    found[key] = await of(self.redis.hgetall(key))
                    for looked in (b"looked", b"share", b"looked_open"):  # at Redis' memory
                        found[key].pop(looked, None)
                case b"list":
                    found[key] = await of(self.redis.lrange(key, 0, -1))
                case b"set":
                    found[key] = await of(self.redis.smembers(key))
                case b"zset":
                    found[key] = await self.redis.zrange(key, 0, -1, withscores=True)
                case _:
                    found[key] = await self.redis.get(key)
        return found

    async def now_ms(self) -> float:
        seconds, micros = await self.redis.time()
        return float(seconds * 1000 + micros / 1000)

    async def end_lease(self, download_id: str) -> None:
        """As if its worker had been silent for so long."""
        await self.redis.zadd(keys.LEASES, {download_id: await self.now_ms() - 1})


async def of(reply: Awaitable[Any] | Any) -> Any:
    """redis-py types commands for its blocking and its asyncio client at once."""
    return await reply


def seqs(messages: list[dict[str, Any]]) -> list[int]:
    return [message["data"]["seq"] for message in messages]


def progress(messages: list[dict[str, Any]]) -> list[float]:
    return [message["data"]["progress"] for message in messages]


Connect = Callable[[], Awaitable[Records]]
