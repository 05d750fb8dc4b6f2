"""The jobs and downloads in Redis: what may be done to them, each in one atomic step."""

import math
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from arq.jobs import serialize_job

from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.formats import Format
from vidferry_common.contract.identity import digest
from vidferry_common.contract.messages import PARKED, WAITING, Update, queued, utc_now
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.origins import registered_domain
from vidferry_common.store.client import Kept, RedisClient, RedisError
from vidferry_common.store.records import Claim, JobRecord, QueueDepth, RedisMemory
from vidferry_common.store.scripts import ALL_KEPT, RedisFull, ScriptRunner

IDEMPOTENCY_SECONDS = 24 * 3600
MAX_JOBS = 1000
"""Of one download: each of its messages goes to all of them within one script."""
PICK_SECONDS = 2.0
"""that a download is kept for the worker that picked it; one that dies before it claims holds it up for so long"""
MAX_REAPED = 10
"""in one look"""
SPARED_SECONDS = 900.0
"""for which retention leaves an object alone whatever the settings say, from its upload and each time that it is handed
out: until the link to it has been told and followed"""
CONDEMNED_SECONDS = 300.0
"""for which an object counts as being removed where its worker died over it"""
MINUTE = 60
QUEUE_BYTES = 128 * 1024**2
"""that the records of all that waits or runs take at the most, where the caller of create() does not say"""
JOB_BYTES = 4096
DOWNLOAD_BYTES = 2048
"""What the record of a job, and of a download, grows to, but for the address and the root that it names"""
_PARKED = [orjson.dumps({"message": text})[1:-1] for text in (WAITING, PARKED)]
# Where a job was is of no matter at its end, and a worker of a newer release may name what this one doesn't know.
_CANCELLED = {"status": Status.CANCELLED, "stage": Stage.CANCELLED}


class QueueFull(Exception):
    """As many downloads wait as the queue may hold."""


class CallerOverRate(Exception):
    """The caller has sent all requests of its minute."""

    def __init__(self, quota: "Quota") -> None:
        super().__init__()
        self.quota = quota


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


class Cancelled(StrEnum):
    """What a cancellation came to; the names are the script's."""

    CANCELLED = "cancelled"
    ENDED = "ended"
    """it had ended before"""
    MOVED = "moved"
    """there is a newer state than the one that was ended"""
    NONE = "none"
    """there is no such job"""


class Cause(StrEnum):
    """Why a running download goes back on the queue; the names are the record's counters."""

    HANDOVER = ""
    RETRY = "retries"
    DEATH = "worker_losses"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many downloads of one site, and of one caller, run at once: the rest of the slots is for others."""

    slots: int = 0
    """of the worker that asks; it counts with those of all workers that are known"""
    site_share: float = 1
    """of all slots, one at least; 1: no limit"""
    site_limit: int = 0
    """over all workers, too; 0: no limit"""
    caller_share: float = 1
    """as site_share"""


NO_LIMITS = Limits()


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
    caller: str = ""
    """who asked for it: an address, or the network of one; empty where nobody counts"""
    idempotency_key: str = ""
    priority: Priority = Priority.INTERACTIVE
    force: bool = False
    """fetched anew, also where it is in the bucket"""
    retry_of: str = ""
    """the job that this one tries again"""

    @property
    def site(self) -> str:
        """What the limits of a site count by."""
        return registered_domain(urlsplit(self.url).hostname or "")

    @property
    def caller_digest(self) -> str:
        """What limits and rates of a caller count by: Redis holds no addresses of theirs."""
        return digest("caller", self.caller)[:16] if self.caller else ""

    @property
    def fingerprint(self) -> str:
        """Equal where one download serves both."""
        return digest(self.url, self.format.canonical(), *(["force"] if self.force else []))

    @property
    def request(self) -> bytes:
        """What the job's record keeps of the request, as long as there is one; equal for equal requests."""
        asked = {
            "v": 1,
            "url": self.url,
            "format": self.format.canonical(),
            "priority": self.priority,
            "force": self.force,
            "retry_of": self.retry_of or None,
            "owner": self.owner,
        }
        return orjson.dumps(asked)


@dataclass(frozen=True, slots=True)
class Quota:
    """What a caller has left of its requests of a minute. They come back one by one."""

    rate: int
    spent: float
    """seconds until all of them are left; more than a minute for a request that was refused"""

    @property
    def remaining(self) -> int:
        return max(0, int((MINUTE - self.spent) * self.rate / MINUTE))

    @property
    def retry_after(self) -> int:
        """Seconds until one more is left."""
        return max(1, math.ceil(self.spent - MINUTE))


@dataclass(frozen=True, slots=True)
class Created:
    """What a POST came to."""

    job_id: str
    status: Status | None
    """of the job now; None where it was made by an earlier request and its record has expired since"""
    outcome: Outcome
    quota: Quota | None = None
    """None where the caller's requests are not counted"""

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


@dataclass(frozen=True, slots=True)
class Ending:
    """What stays of a download that has ended."""

    facts: Mapping[bytes, str] = field(default_factory=dict)
    """for the records of its jobs"""
    leads_to: str = ""
    """the object that its address leads to, as far as that can be told without asking the site"""
    known_for: float = 0
    """seconds that this is remembered"""


@dataclass(frozen=True, slots=True)
class Publication:
    """A message of a download, for all its jobs."""

    claim: Claim
    body: bytes
    update: Update
    """what the body was made from"""
    step: bool
    """whether it is a change of stage, which is kept for those who join later"""


class Store:
    """Records in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, redis: RedisClient, record_seconds: int, kept: Kept = ALL_KEPT) -> None:
        self._redis = redis
        self._ttl = record_seconds
        self._scripts = ScriptRunner(redis, kept)

    async def create(
        self, job: NewJob, queue_cap: int, queue_bytes: int = QUEUE_BYTES, caller_rate: int = 0
    ) -> Created:
        """Makes a job and starts or joins its download: QueueFull, RedisFull, CallerOverRate, IdempotencyMismatch.

        caller_rate: requests a minute of one caller; 0: any number.
        """
        fmt, text = job.format.canonical(), len(job.url) + len(job.root)
        whose = (job.owner, job.caller, job.root)
        idempotency = keys.IDEMPOTENCY + digest(*whose, job.idempotency_key) if job.idempotency_key else ""
        outcome, spent_ms, *made = await self._scripts.run(
            "create",
            [keys.JOB + job.job_id, keys.DOWNLOAD_BY_URL + job.fingerprint, idempotency, keys.DOWNLOAD + job.download_id,
             keys.REQUESTS + job.caller_digest],
            job.job_id, job.download_id, job.epoch, job.url, fmt,
            orjson.dumps(job.root)[1:-1], job.traceparent, utc_now(), queued().body(),
            job.request, IDEMPOTENCY_SECONDS, queue_cap, self._ttl, *self._arq(job.download_id, 1), MAX_JOBS,
            keys.OBJECT_BY_URL + digest(job.url, fmt), job.site, job.priority.head_start_ms, "1" if job.force else "",
            job.caller_digest, caller_rate, JOB_BYTES + text, DOWNLOAD_BYTES + text, queue_bytes,
        )  # fmt: skip
        quota = Quota(caller_rate, spent_ms / 1000) if caller_rate else None
        if quota and outcome == b"over_rate":
            raise CallerOverRate(quota)
        if outcome == b"full":
            raise QueueFull
        if outcome == b"no_memory":
            raise RedisFull
        if outcome == b"mismatch":
            raise IdempotencyMismatch
        job_id, state = made
        status = Status(orjson.loads(state)["data"]["status"]) if state else None
        return Created(job_id.decode(), status, Outcome(outcome.decode()), quota)

    async def job(self, job_id: str) -> JobRecord | None:
        """The job as it is now, None where there is none (any more)."""
        fields = await self._scripts.ask(self._redis.hgetall(keys.JOB + job_id))
        return JobRecord.read(job_id, fields) if fields else None

    async def cancel(self, job: JobRecord) -> Cancelled:
        """Ends the job as it was read; its download stops with its last job, on whichever worker it runs."""
        outcome = await self._scripts.run(
            "cancel",
            [keys.JOB + job.job_id],
            job.job_id, job.state["seq"], Update.of(job.state | _CANCELLED).cancelled().body(), self._ttl,
        )  # fmt: skip
        return Cancelled(outcome.decode())

    async def stopped(self, worker: str, seconds: int) -> tuple[str, int] | None:
        """The next download of the worker that nobody wants any more, and its attempt; None where there is none yet."""
        found = await self._scripts.ask(self._redis.blpop([keys.CANCELLATIONS + worker], timeout=seconds))
        if not found:
            return None
        download_id, _, attempt = found[1].decode().rpartition(":")
        return download_id, int(attempt)

    async def download(self, download_id: str) -> Mapping[bytes, bytes]:
        """The download's record as it is stored; empty where there is none."""
        return cast("Mapping[bytes, bytes]", await self._scripts.ask(self._redis.hgetall(keys.DOWNLOAD + download_id)))

    async def note(self, download_id: str, fields: Mapping[bytes, str]) -> None:
        """Keeps facts of a download in its record."""
        pairs = [item for pair in fields.items() for item in pair]
        await self._scripts.run("set_fields", [keys.DOWNLOAD + download_id], *pairs)

    async def pick(self, count: int, limits: Limits = NO_LIMITS) -> tuple[list[bytes], float | None]:
        """Arq ids to start, kept for whoever asks for PICK_SECONDS; the seconds until there may be more."""
        due_ms, *arq_ids = await self._scripts.run(
            "pick", [], count, int(PICK_SECONDS * 1000), limits.slots, limits.site_share, limits.site_limit,
            limits.caller_share, 0, *_PARKED,
        )  # fmt: skip
        return arq_ids, due_ms / 1000 if due_ms >= 0 else None

    async def claim(self, download_id: str, attempt: int, lease: float, worker: str) -> Claim | None:
        """Takes an attempt for lease seconds; None where it is not the next one. Again by the same worker: the same."""
        flat = await self._scripts.run("claim", [keys.DOWNLOAD + download_id], download_id, attempt, int(lease * 1000), worker)
        if not flat:
            return None
        waited_ms, *record = flat
        return Claim.read(download_id, dict(zip(record[::2], record[1::2], strict=True)), waited_ms / 1000)

    async def identify(self, claim: Claim, name: str) -> bool | None:
        """Whether the download is the one that makes that object: else its jobs have gone over to the one that does.

        None where the claim is not the current one any more.
        """
        outcome = await self._scripts.run(
            "claim_object",
            [keys.DOWNLOAD + claim.download_id, keys.DOWNLOAD_BY_OBJECT + digest(name, *(["force"] if claim.force else []))],
            claim.download_id, claim.attempt, self._ttl, MAX_JOBS,
        )  # fmt: skip
        return None if outcome is None else bool(outcome == b"mine")

    async def publish(self, claim: Claim, body: bytes, *, step: bool) -> list[str] | None:
        """Tells all jobs of the download; their ids, None where the claim is not the current one any more."""
        name, *args = self._publication(claim, body, step=step)
        return _ids(await self._scripts.run("publish", [name], *args))

    async def publish_all(self, publications: Sequence[Publication]) -> list[list[str] | None]:
        """As publish, in one pipeline."""
        given = [self._publication(each.claim, each.body, step=each.step) for each in publications]
        sha, pipe = self._scripts.sha("publish"), self._redis.pipeline(transaction=False)
        for names_and_args in given:
            pipe.evalsha(sha, 1, *names_and_args)
        replies = await self._scripts.ask(pipe.execute(raise_on_error=False))
        # After a restart of Redis its scripts are unknown; what a failed one has not told is told now.
        return [
            await self.publish(each.claim, each.body, step=each.step) if isinstance(reply, RedisError) else _ids(reply)
            for each, reply in zip(publications, replies, strict=True)
        ]

    def _publication(self, claim: Claim, body: bytes, *, step: bool) -> list[Any]:
        return [keys.DOWNLOAD + claim.download_id, claim.attempt, body, "1" if step else "", self._ttl]

    async def finish(self, claim: Claim, body: bytes, ending: Ending) -> list[str] | None:
        """Ends the download and all its jobs, keeping facts in their records; as publish."""
        pairs = [item for pair in ending.facts.items() for item in pair]
        told = await self._scripts.run(
            "finish",
            [keys.DOWNLOAD + claim.download_id],
            claim.download_id, claim.attempt, body, self._ttl, ending.leads_to, int(ending.known_for), *pairs,
        )  # fmt: skip
        return _ids(told)

    async def renew(self, claims: Mapping[str, int], lease: float) -> set[str]:
        """Renews the leases of {download id: attempt} for lease seconds; the ids that are lost."""
        pairs = [item for pair in claims.items() for item in pair]
        return {lost.decode() for lost in await self._scripts.run("renew", [], int(lease * 1000), *pairs)}

    async def requeue(self, download_id: str, attempt: int, how: Requeue) -> str:
        """Puts a running download back for its next attempt: `requeued`, `ended` or `stale`."""
        outcome = await self._scripts.run(
            "requeue",
            [keys.DOWNLOAD + download_id],
            download_id, attempt, how.cause, int(how.delay * 1000), how.update.body(), self._ttl,
            *self._arq(download_id, attempt + 1), how.limit, how.update.failed(how.failure).body(),
        )  # fmt: skip
        return cast("bytes", outcome).decode()

    async def keep(self, worker: str, silence: float, gap: float, lease: float, slots: int = 0) -> list[str] | None:
        """Keeps house, where no other worker has within silence seconds; None where one has.

        Ids of downloads whose lease has ended, the oldest first; none for one lease after a gap, when nobody kept house
        for that many seconds: Redis was away, and who holds a lease has to renew it first. For one lease the worker's
        slots count among those of all; 0: it takes nothing any more.
        """
        times = [int(seconds * 1000) for seconds in (silence, gap, lease)]
        found = await self._scripts.run("expired_leases", [keys.LEADER], worker, *times, MAX_REAPED, slots)
        return None if found is None else [member.decode() for member in found]

    async def sweep_due(self, worker: str, interval: float, *, ended: bool = False) -> float | None:
        """Seconds until the bucket is to be swept, None where another worker keeps house. ended: one was, just now."""
        due_ms = await self._scripts.run("sweep_due", [keys.LEADER], worker, int(interval * 1000), "1" if ended else "")
        return None if due_ms is None else due_ms / 1000

    async def spare(self, name: str) -> bool:
        """Keeps retention from an object that is about to be handed out; False where it is being removed just now."""
        return bool(await self._scripts.run("pin", [keys.PINNED, keys.DELETING], name, int(SPARED_SECONDS * 1000)))

    async def condemn(self, worker: str, names: Sequence[str]) -> list[str] | None:
        """Those of the objects that may be removed, until acquit(); None where another worker keeps house."""
        names_of = [keys.LEADER, keys.PINNED, keys.DELETING]
        found = await self._scripts.run("mark_deleting", names_of, worker, int(CONDEMNED_SECONDS * 1000), *names)
        return None if found is None else [name.decode() for name in found]

    async def acquit(self, names: Sequence[str]) -> None:
        """The objects are removed, or stay after all."""
        await self._scripts.ask(self._redis.zrem(keys.DELETING, *names))

    async def queue(self) -> QueueDepth:
        """How much waits and runs; cheap, whatever the queue's length."""
        waiting, deferred, running, oldest_ms = await self._scripts.run("queue_depth", [], Priority.INTERACTIVE.head_start_ms)
        return QueueDepth(waiting, deferred, running, oldest_ms / 1000)

    async def memory(self) -> RedisMemory:
        """What Redis uses of its memory."""
        told = await self._scripts.ask(self._redis.info("memory"))
        used, aside = int(told["used_memory"]), int(told.get("mem_not_counted_for_evict", 0))
        return RedisMemory(used, int(told.get("maxmemory", 0)), used - aside)

    async def time(self) -> tuple[float, float]:
        """Redis' Unix time, and the seconds that its reply took."""
        asked = time.monotonic()
        seconds, micros = await self._scripts.ask(self._redis.time())
        return seconds + micros / 1e6, time.monotonic() - asked

    async def ping(self) -> None:
        await self._scripts.ask(self._redis.ping())

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    def _arq(self, download_id: str, attempt: int) -> tuple[str, bytes, int]:
        """What arq needs to run an attempt: its job's id, its payload, the milliseconds it is kept."""
        now = int(time.time() * 1000)
        payload = serialize_job(keys.FUNCTION, (download_id, attempt), {}, None, now, serializer=orjson.dumps)
        return keys.arq_id(download_id, attempt), payload, self._ttl * 1000


def _ids(reply: list[bytes] | None) -> list[str] | None:
    return None if reply is None else [job_id.decode() for job_id in reply]
