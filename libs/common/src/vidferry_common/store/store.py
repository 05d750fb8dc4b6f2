"""The jobs and downloads in Redis: what may be done to them, each in one atomic step."""

import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any, cast

import orjson
from arq.jobs import serialize_job

from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.formats import Format
from vidferry_common.contract.identity import digest
from vidferry_common.contract.messages import Update, queued, utc_now
from vidferry_common.contract.stages import Status
from vidferry_common.store.client import RedisClient, RedisError, StoreUnavailable
from vidferry_common.store.records import Claim, JobRecord, QueueDepth

IDEMPOTENCY_SECONDS = 24 * 3600
MAX_LOOKED_AT = 2000
"""members of the queue, for the one that waits longest; more downloads than that don't run at once"""
MAX_JOBS = 1000
"""Of one download: each of its messages goes to all of them within one script."""
SCRIPTS = ("claim", "create", "finish", "note", "publish", "queue", "renew", "requeue")


class QueueFull(Exception):
    """As many downloads wait as the queue may hold."""


class IdempotencyMismatch(Exception):
    """The Idempotency-Key was used for another request."""


class Outcome(StrEnum):
    """What a POST came to; the names are the script's."""

    CREATED = "created"
    """a download of its own is on the queue"""
    ATTACHED = "attached"
    """the job follows a download that was there already"""
    REPLAYED = "replayed"
    """the same request had been made before with this Idempotency-Key"""


class Cause(StrEnum):
    """Why a running download goes back on the queue; the names are the record's counters."""

    HANDOVER = ""
    RETRY = "retries"
    DEATH = "deaths"


@dataclass(frozen=True, slots=True)
class NewJob:
    """One POST."""

    job_id: str
    download_id: str
    epoch: str
    url: str
    format: Format
    root: str
    """the public root of Vidferry as the caller sees it: `https://host/prefix`, no slash at the end"""
    traceparent: str
    owner: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Created:
    """What a POST came to."""

    job_id: str
    status: Status | None
    """of the job now; None where it was made by an earlier request and its record has expired since"""
    outcome: Outcome

    @property
    def replayed(self) -> bool:
        return self.outcome is Outcome.REPLAYED


@dataclass(frozen=True, slots=True)
class Requeue:
    """How a download goes back on the queue."""

    cause: Cause
    update: Update
    """what its watchers see while it waits"""
    delay: float = 0
    """seconds"""
    limit: int = 0
    """the cause may count up to this; then the download ends"""
    failure: ErrorCode = ErrorCode.INTERNAL
    """with this"""


class Store:
    """Records in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, redis: RedisClient, record_seconds: int) -> None:
        self._redis = redis
        self._ttl = record_seconds
        library = resources.files(__package__)
        shared = (library / "lib.lua").read_text()
        self._scripts = {
            name: redis.register_script(shared + (library / f"{name}.lua").read_text()) for name in SCRIPTS
        }

    async def create(self, job: NewJob, queue_cap: int) -> Created:
        """Makes a job and starts or joins its download; QueueFull, IdempotencyMismatch."""
        fmt = job.format.canonical()
        address = keys.ADDRESS + digest(job.url, fmt)
        idempotency = keys.IDEMPOTENCY + digest(job.owner, job.idempotency_key) if job.idempotency_key else ""
        outcome, *made = await self._run(
            "create",
            [keys.JOB + job.job_id, address, idempotency, keys.DOWNLOAD + job.download_id],
            job.job_id, job.download_id, job.epoch, job.owner, job.url, fmt,
            orjson.dumps(job.root)[1:-1], job.traceparent, utc_now(), queued().body(),
            digest(job.url, fmt), IDEMPOTENCY_SECONDS, queue_cap, self._ttl, *self._arq(job.download_id, 1), MAX_JOBS,
        )  # fmt: skip
        if outcome == b"full":
            raise QueueFull
        if outcome == b"mismatch":
            raise IdempotencyMismatch
        job_id, state = made
        status = Status(orjson.loads(state)["data"]["status"]) if state else None
        return Created(job_id.decode(), status, Outcome(outcome.decode()))

    async def job(self, job_id: str) -> JobRecord | None:
        """The job as it is now, None where there is none (any more)."""
        fields = await self._ask(self._redis.hgetall(keys.JOB + job_id))
        return JobRecord.read(job_id, fields) if fields else None

    async def download(self, download_id: str) -> Mapping[bytes, bytes]:
        """The download's record as it is stored; empty where there is none."""
        return cast("Mapping[bytes, bytes]", await self._ask(self._redis.hgetall(keys.DOWNLOAD + download_id)))

    async def note(self, download_id: str, fields: Mapping[bytes, str]) -> None:
        """Keeps facts of a download in its record."""
        pairs = [item for pair in fields.items() for item in pair]
        await self._run("note", [keys.DOWNLOAD + download_id], *pairs)

    async def claim(self, download_id: str, attempt: int, lease: float, worker: str) -> Claim | None:
        """Takes an attempt for lease seconds; None where it is not the next one."""
        flat = await self._run("claim", [keys.DOWNLOAD + download_id], download_id, attempt, int(lease * 1000), worker)
        if not flat:
            return None
        waited_ms, *record = flat
        return Claim.read(download_id, dict(zip(record[::2], record[1::2], strict=True)), waited_ms / 1000)

    async def publish(self, claim: Claim, body: bytes, *, step: bool) -> list[str] | None:
        """Tells all jobs of the download; their ids, None where the claim is not the current one any more."""
        told = await self._run(
            "publish", [keys.DOWNLOAD + claim.download_id], claim.attempt, body, "1" if step else "", self._ttl
        )
        return _ids(told)

    async def finish(self, claim: Claim, body: bytes, facts: Mapping[bytes, str]) -> list[str] | None:
        """Ends the download and all its jobs, keeping facts in its record; as publish."""
        pairs = [item for pair in facts.items() for item in pair]
        told = await self._run(
            "finish", [keys.DOWNLOAD + claim.download_id], claim.download_id, claim.attempt, body, self._ttl, *pairs
        )
        return _ids(told)

    async def renew(self, claims: Mapping[str, int], lease: float) -> set[str]:
        """Renews the leases of {download id: attempt} for lease seconds; the ids that are lost."""
        pairs = [item for pair in claims.items() for item in pair]
        return {lost.decode() for lost in await self._run("renew", [], int(lease * 1000), *pairs)}

    async def requeue(self, download_id: str, attempt: int, how: Requeue) -> str:
        """Puts a running download back for its next attempt: `requeued`, `ended` or `stale`."""
        outcome = await self._run(
            "requeue",
            [keys.DOWNLOAD + download_id],
            download_id, attempt, how.cause, int(how.delay * 1000), how.update.body(), self._ttl,
            *self._arq(download_id, attempt + 1), how.limit, how.update.failed(how.failure).body(),
        )  # fmt: skip
        return cast("bytes", outcome).decode()

    async def expired(self, limit: int = 10) -> list[str]:
        """Ids of downloads whose lease has ended, the oldest first."""
        seconds, micros = await self._ask(self._redis.time())
        now = seconds * 1000 + micros // 1000
        found = await self._ask(self._redis.zrangebyscore(keys.LEASES, "-inf", now, start=0, num=limit))
        return [member.decode() for member in found]

    async def queue(self) -> QueueDepth:
        """How much waits and runs; cheap, whatever the queue's length."""
        waiting, deferred, running, oldest_ms = await self._run("queue", [], MAX_LOOKED_AT)
        return QueueDepth(waiting, deferred, running, oldest_ms / 1000)

    async def ping(self) -> None:
        await self._ask(self._redis.ping())

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    def _arq(self, download_id: str, attempt: int) -> tuple[str, bytes, int]:
        """What arq needs to run an attempt: its job's id, its payload, the milliseconds it is kept."""
        now = int(time.time() * 1000)
        payload = serialize_job(keys.FUNCTION, (download_id, attempt), {}, None, now, serializer=orjson.dumps)
        return keys.arq_id(download_id, attempt), payload, self._ttl * 1000

    async def _run(self, script: str, names: list[str], *args: Any) -> Any:
        return await self._ask(self._scripts[script](keys=names, args=list(args)))

    @staticmethod
    async def _ask(reply: Awaitable[Any] | Any) -> Any:
        try:
            return await reply
        except (RedisError, OSError) as error:
            raise StoreUnavailable(str(error) or type(error).__name__) from error


def _ids(reply: list[bytes] | None) -> list[str] | None:
    return None if reply is None else [job_id.decode() for job_id in reply]
