"""Batches: jobs whose children are jobs, from their POST to the end of the last child."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import orjson

from vidferry_common.contract import keys
from vidferry_common.contract.batches import MAX_ENTRIES, BatchWarning, Entry, child_id
from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.identity import digest
from vidferry_common.contract.messages import Update, queued_update, utc_now
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.contract.webhooks import EventType, Webhook
from vidferry_common.store.jobs import (
    EVENTS_RETRY_SECONDS,
    IDEMPOTENCY_SECONDS,
    QUEUE_BYTES,
    BatchMovedOn,
    Cancelled,
    Created,
    JobRecord,
    JobStore,
    NewJob,
    describe_job,
    parse_created,
)
from vidferry_common.store.owner_limits import JobLimits, QuotaExceeded
from vidferry_common.store.scripts import RedisFull, ScriptRunner
from vidferry_common.store.tasks import TaskQueue

ENTRY_BYTES = 120
"""that Redis takes for an entry beside its text"""
STRETCH = 50
"""children that one script cancels: each takes about 0.1 ms, in which Redis does nothing else"""
MAX_PASSES = 20
"""over the children of a batch that is being cancelled: those whose state changes meanwhile are read again"""


@dataclass(frozen=True, slots=True)
class Making:
    """What the children of a batch have of it, beside what its own record tells."""

    traceparent: str
    """the trace that they continue"""
    public_root: str
    caller_digest: str
    partition: str
    limits: JobLimits
    queue_cap: int
    queue_bytes: int
    """the api's limits, which hold for the children too"""
    webhook: Webhook | None = None
    """where their events go"""

    @classmethod
    def parse(cls, text: bytes) -> Self:
        given = orjson.loads(text)
        limits, told = JobLimits(**_known(JobLimits, given["limits"])), given.get("webhook")
        webhook = told and Webhook(told["url"], tuple(map(EventType, told["events"])))
        return cls(**_known(cls, given) | {"limits": limits, "webhook": webhook})


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that has not ended, as its maker sees it."""

    job: JobRecord
    making: Making
    made: int
    """how many children it has"""
    entries: int
    """how many entries are known"""
    total: int | None
    """how many there will be; None while its playlist is still to be read"""
    stopped: str
    """`cancelled` or `failed` where it makes no more children"""
    idle: float
    """seconds since its watchers were told anything"""
    all_open: int = 1
    """the batches that have not ended, with this one"""


def _known(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """The fields of that kind among those that are written: a newer release may write more."""
    return {name: given[name] for name in kind.__slots__ if name in given}


# The status before is lost at the end anyway, and a worker of a newer release may tell one that is unknown here.
_CANCELLED = {"status": Status.CANCELLED, "stage": Stage.CANCELLED}


def entries_digest(entries: Sequence[Entry]) -> str:
    """What a request for these entries is known by."""
    return digest(*(entry.url for entry in entries))


class BatchStore:
    """The batches in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner, jobs: JobStore, record_seconds: int) -> None:
        self._scripts, self._jobs, self._record_seconds = scripts, jobs, record_seconds
        self.tasks = TaskQueue(scripts, keys.BATCHES.removeprefix(keys.TASKS))
        """of the batches that have not ended, by the id of each"""
        self.news = TaskQueue(scripts, keys.BATCH_NEWS.removeprefix(keys.TASKS))
        """of the batches whose newest state is still to be published"""

    async def create(
        self,
        job: NewJob,
        entries: Sequence[Entry] | None,
        queue_cap: int,
        queue_bytes: int,
        caller_rate: int = 0,
        title: str = "",
        warnings: Sequence[BatchWarning] = (),
    ) -> Created:
        """Makes a batch. job is of that kind. entries: None where they are still to be read of a playlist.
        title: the playlist's, where it is known already.

        Raises what JobStore.create() raises.
        """
        making = Making(
            job.traceparent,
            job.public_root,
            job.caller_digest,
            job.partition,
            _job_limits(job),
            queue_cap,
            queue_bytes,
            job.webhook,
        )
        document, request = job.document, job.request
        written = [_write_entry(entry) for entry in entries or ()]
        reply = await self._scripts.run(
            "create_batch",
            [keys.JOB + job.job_id, job.idempotency_name, keys.REQUESTS + job.caller_digest],
            job=describe_job(job, request, document, job.foresee_bytes(document) + _foresee_bytes(written)),
            caller=job.caller_digest,
            entries=written,
            **({} if entries is None else {"total": len(entries)}),
            warnings=_write_warnings(warnings),
            making=orjson.dumps(making).decode(),
            title=orjson.dumps(title or None).decode(),
            traceparent=job.traceparent,
            created=job.created,
            timestamp=utc_now(),
            record_seconds=self._record_seconds,
            idempotency_seconds=IDEMPOTENCY_SECONDS,
            queue_bytes=queue_bytes,
            caller_rate=caller_rate,
        )
        return parse_created(job, request, caller_rate, reply)

    async def read(self, batch_id: str) -> OpenBatch | None:
        """The batch; None where it has ended, or there is none."""
        key = keys.BATCH + batch_id
        pipe = self._scripts.redis.pipeline(transaction=True)
        pipe.hgetall(keys.JOB + batch_id)
        pipe.hmget(key, ["making", "made", "total", "stopped", "told"])
        pipe.llen(key + keys.ENTRIES)
        pipe.zcard(keys.BATCHES)
        pipe.time()
        job, record, entries, all_open, (seconds, micros) = await self._scripts.await_reply(pipe.execute())
        making, made, total, stopped, told = record
        if not job or making is None:
            return None
        return OpenBatch(
            job=JobRecord.parse(batch_id, job),
            making=Making.parse(making),
            made=int(made),
            entries=entries,
            total=None if total is None else int(total),
            stopped=(stopped or b"").decode(),
            idle=seconds + micros / 1e6 - float(told) / 1000,
            all_open=all_open,
        )

    async def read_entries(self, batch_id: str, first: int = 0, count: int = MAX_ENTRIES) -> list[Entry]:
        """The known entries, from that index on; of a batch that has ended, those that it was cancelled before."""
        key = keys.BATCH + batch_id + keys.ENTRIES
        found = await self._scripts.await_reply(self._scripts.redis.lrange(key, first, first + count - 1))
        return [Entry(**_known(Entry, orjson.loads(entry))) for entry in found]

    async def add_entries(
        self,
        batch_id: str,
        start: int,
        entries: Sequence[Entry],
        queue_bytes: int = QUEUE_BYTES,
        *,
        title: str = "",
        warnings: Sequence[BatchWarning] = (),
        complete: bool = False,
    ) -> int:
        """Adds entries of a playlist, its title, and the batch's warnings if it has any.

        start: the index of the first one. queue_bytes: what the api allows all that waits. complete: whether these are
        the last. Returns how many there are now. Raises RedisFull, BatchMovedOn.
        """
        written = [_write_entry(entry) for entry in entries]
        count = await self._run(
            "add_entries",
            batch_id,
            start=start,
            entries=written,
            title=orjson.dumps(title).decode() if title else "",
            warnings=_write_warnings(warnings),
            complete=complete,
            bytes=_foresee_bytes(written),
            queue_bytes=queue_bytes,
        )
        if count == -1:
            raise BatchMovedOn
        if count < 0:
            raise RedisFull
        return int(count)

    async def make_child(self, child: NewJob, making: Making, title: str = "") -> Created:
        """Makes the child of the entry that the batch is at, unless that was done before.

        Raises QueueFull, RedisFull, QuotaExceeded, BatchMovedOn.
        """
        return await self._jobs.create(child, making.queue_cap, making.queue_bytes, title=title)

    async def make_failed_child(self, child: NewJob, making: Making, code: ErrorCode, title: str = "") -> None:
        """The same of an entry that no download can be made of. Raises RedisFull, QuotaExceeded, BatchMovedOn."""
        assert child.parent is not None
        outcome = await self._scripts.run(
            "fail_child",
            [keys.JOB + child.job_id],
            job=describe_job(child, child.request, child.document, 0),
            child={"batch": child.parent.batch, "index": child.parent.index},
            body=queued_update(title).as_failed(code).body(),
            traceparent=child.traceparent,
            created=child.created,
            record_seconds=self._record_seconds,
            expires_at=utc_now(self._record_seconds),
            queue_bytes=making.queue_bytes,
            caller_rate=0,
        )
        if outcome == b"elsewhere":
            raise BatchMovedOn
        if outcome == b"no_memory":
            raise RedisFull
        if outcome == b"events_waiting":
            raise QuotaExceeded("events_waiting", 0, EVENTS_RETRY_SECONDS)

    async def fail(self, batch_id: str, failure: Failure) -> None:
        """Has a batch make no more children, and fail for that reason once those that it has have ended."""
        await self._run("stop_batch", batch_id, how="failed", error=orjson.dumps(failure).decode())

    async def cancel(self, batch_id: str) -> Cancelled:
        """Has a batch make no more children, and cancels those that it has, on whichever worker they run."""
        if not await self._run("stop_batch", batch_id, how="cancelled", error=""):
            return Cancelled.ENDED
        for _ in range(MAX_PASSES):
            batch = await self.read(batch_id)
            if batch is None:
                return Cancelled.CANCELLED
            stretches = (range(first, min(first + STRETCH, batch.made)) for first in range(0, batch.made, STRETCH))
            if not sum([await self._cancel_children(batch_id, indexes) for indexes in stretches]):
                await self.settle(batch)  # some have ended without being counted
        return Cancelled.MOVED

    async def _cancel_children(self, batch_id: str, indexes: range) -> int:
        """Cancels those of the children that have not ended and tell nothing new meanwhile. Returns how many had not
        ended.
        """
        ids = [child_id(batch_id, index) for index in indexes]
        pipe = self._scripts.redis.pipeline(transaction=False)
        for job_id in ids:
            pipe.hmget(keys.JOB + job_id, ["epoch", "state"])
        found = await self._scripts.await_reply(pipe.execute())
        children = [
            _describe_cancelled(job_id, orjson.loads(state)["data"])
            for job_id, (epoch, state) in zip(ids, found, strict=True)
            if epoch
        ]
        if children:
            await self._scripts.run(
                "cancel_children",
                [],
                children=children,
                record_seconds=self._record_seconds,
                expires_at=utc_now(self._record_seconds),
            )
        return len(children)

    async def settle(self, batch: OpenBatch) -> None:
        """Counts anew the children of a batch that has been idle: an older worker ends them without counting them."""
        batch_id = batch.job.job_id
        await self._run("settle_batch", batch_id, children=[child_id(batch_id, index) for index in range(batch.made)])

    async def publish(self, batch_id: str) -> None:
        """Publishes its newest state, if that has not been done yet, and ends the task of its news."""
        await self._run("tell_batch", batch_id)

    async def _run(self, script: str, batch_id: str, **arguments: Any) -> Any:
        return await self._scripts.run(
            script,
            [keys.BATCH + batch_id],
            id=batch_id,
            timestamp=utc_now(),
            record_seconds=self._record_seconds,
            expires_at=utc_now(self._record_seconds),
            **arguments,
        )


def _job_limits(job: NewJob) -> JobLimits:
    """Its limits without those that an owner has beyond them."""
    return JobLimits(**{each.name: getattr(job.limits, each.name) for each in fields(JobLimits)})


def _describe_cancelled(job_id: str, state: dict[str, Any]) -> list[Any]:
    """What cancel_children.lua is told of a child in that state."""
    return [job_id, state["seq"], Update.from_data(state | _CANCELLED).as_cancelled().body()]


def _write_warnings(warnings: Sequence[BatchWarning]) -> str:
    return orjson.dumps(warnings).decode() if warnings else ""


def _write_entry(entry: Entry) -> str:
    # The URL stays where it is empty: read_entries() needs it.
    told = {name: value for name, value in asdict(entry).items() if value}
    return orjson.dumps({"url": entry.url, **told}).decode()


def _foresee_bytes(written: Iterable[str]) -> int:
    """What these entries take in Redis."""
    return sum(len(entry.encode()) + ENTRY_BYTES for entry in written)
