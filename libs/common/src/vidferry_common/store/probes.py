"""Probes: jobs that look at a URL, from their POST to their end, and what was found lately."""

from dataclasses import dataclass
from typing import Any

import orjson

from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.identity import digest
from vidferry_common.contract.messages import Update, queued_update, utc_now
from vidferry_common.contract.probes import KEPT_SECONDS, Probe
from vidferry_common.contract.stages import DONE, STARTED, Stage, Status
from vidferry_common.store.jobs import (
    IDEMPOTENCY_SECONDS,
    Cancelled,
    Created,
    JobRecord,
    NewJob,
    describe_job,
    parse_created,
)
from vidferry_common.store.owner_limits import QuotaExceeded
from vidferry_common.store.scripts import ScriptRunner
from vidferry_common.store.tasks import Task, parse_tasks

QUEUE = keys.PROBES.removeprefix(keys.TASKS)
MAX_OPEN = 20
"""probes of one caller that wait or run"""
LOOK = 400
"""probes that one script looks at: about half a millisecond. They are of twenty callers at least"""
OPEN_RETRY_SECONDS = 5
"""after which one of them may have ended"""
_CANCELLED = {"status": Status.CANCELLED, "stage": Stage.CANCELLED}


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a URL found."""

    title: str | None
    probe: orjson.Fragment
    """the document"""

    @classmethod
    def of(cls, probe: Probe) -> "Found":
        return cls(probe.title, orjson.Fragment(orjson.dumps(probe)))

    @classmethod
    def parse(cls, text: bytes) -> "Found":
        told = orjson.loads(text)
        return cls(told["title"], orjson.Fragment(orjson.dumps(told["probe"])))


class ProbeStore:
    """The probes in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner, record_seconds: int) -> None:
        self._scripts, self._record_seconds = scripts, record_seconds

    async def create(self, job: NewJob, queue_cap: int, queue_bytes: int, caller_rate: int = 0) -> Created:
        """Makes a probe. It has ended where its URL was looked at within KEPT_SECONDS.

        What was found is shared by all owners that share the part of the bucket: it says only what the site told. So
        it is not shared between credentials, which have parts of their own.
        Raises what JobStore.create() raises.
        """
        found_key = keys.PROBE_BY_URL + digest(job.url, job.format.canonical(), job.partition)
        found = await self._read_found(found_key)
        document, request, caller = job.document, job.request, job.caller_digest
        task = {
            "url": job.url,
            "format": job.format.canonical(),
            "found_key": found_key,
            "caller": caller,
            "created": job.created,
            "traceparent": job.traceparent,
            **({"credential": job.credential} if job.credential else {}),
        }
        reply = await self._scripts.run(
            "create_probe",
            [
                keys.JOB + job.job_id,
                job.idempotency_name,
                keys.REQUESTS + caller,
                keys.OPEN_PROBES + caller if caller else "",
            ],
            job=describe_job(job, request, document, job.foresee_bytes(document)),
            task=[item for pair in task.items() for item in pair],
            body=_body(queued_update()) if found is None else _completed_body(found, attempt=0),
            known=found is not None,
            traceparent=job.traceparent,
            created=job.created,
            record_seconds=self._record_seconds,
            kept_seconds=KEPT_SECONDS,
            expires_at=utc_now(KEPT_SECONDS),
            idempotency_seconds=IDEMPOTENCY_SECONDS,
            queue_cap=queue_cap,
            queue_bytes=queue_bytes,
            caller_rate=caller_rate,
            most_open=MAX_OPEN,
        )
        if reply[0] == b"probes_waiting":
            raise QuotaExceeded("probes_waiting", MAX_OPEN, OPEN_RETRY_SECONDS)
        return parse_created(job, request, caller_rate, reply)

    async def take(self, count: int, hold: float) -> tuple[list[Task], float | None]:
        """Takes probes, as TaskQueue.take() does. Callers take turns."""
        arguments = {"count": count, "hold_ms": int(hold * 1000), "look": LOOK}
        return parse_tasks(await self._scripts.run("take_probes", [keys.PROBES], **arguments))

    async def begin(self, task: Task) -> bool:
        """Tells that the look begins. False where there is nothing to do any more: the task has ended, or was lost.

        A probe whose URL was looked at meanwhile ends here.
        """
        found = await self._read_found(task.fields["found_key"])
        if found is not None:
            await self._end(task, _completed_body(found, task.taken))
            return False
        update = Update(Status.PROCESSING, STARTED.stage, STARTED.progress, LOOKING, task.taken)
        return bool(
            await self._scripts.run(
                "begin_probe", [], id=task.id, taken=task.taken, body=_body(update), record_seconds=self._record_seconds
            )
        )

    async def complete(self, task: Task, probe: Probe) -> bool:
        """Ends a probe with what was found; False where the worker has lost the task."""
        found = Found(probe.title, orjson.Fragment(orjson.dumps(probe)))
        written = orjson.dumps({"title": found.title, "probe": found.probe})
        return await self._end(
            task, _completed_body(found, task.taken), found_key=task.fields["found_key"], found=written
        )

    async def fail(self, task: Task, failure: ErrorCode | Failure) -> bool:
        """Ends a probe whose look has failed; False where the worker has lost the task."""
        begun = Update(Status.PROCESSING, STARTED.stage, STARTED.progress, LOOKING, task.taken)
        return await self._end(task, _body(begun.as_failed(failure)))

    async def cancel(self, job: JobRecord) -> Cancelled:
        """Ends the probe as it was read; the worker that looks stops soon."""
        outcome = await self._scripts.run(
            "cancel_probe",
            [keys.JOB + job.job_id],
            job_id=job.job_id,
            seq=job.state["seq"],
            body=_body(Update.from_data(job.state | _CANCELLED).as_cancelled()),
            record_seconds=KEPT_SECONDS,
            expires_at=utc_now(KEPT_SECONDS),
        )
        return Cancelled(outcome.decode())

    async def _end(self, task: Task, body: bytes, **found: Any) -> bool:
        return bool(
            await self._scripts.run(
                "end_probe",
                [],
                id=task.id,
                taken=task.taken,
                body=body,
                record_seconds=KEPT_SECONDS,
                expires_at=utc_now(KEPT_SECONDS),
                **found,
            )
        )

    async def _read_found(self, key: str) -> Found | None:
        text = await self._scripts.await_reply(self._scripts.redis.get(key))
        return Found.parse(text) if text else None


LOOKING = "Looking at the page"


def _body(update: Update, probe: orjson.Fragment | None = None) -> bytes:
    """The body of a probe's message: `probe` is its last member."""
    return update.body() + b',"probe":' + orjson.dumps(probe)


def _completed_body(found: Found, attempt: int) -> bytes:
    update = Update(Status.COMPLETED, DONE.stage, DONE.progress, DONE.message, attempt, title=found.title)
    return _body(update, found.probe)
