"""Jobs: one caller's request each, from its POST to its end."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import orjson

from vidferry_common.contract import keys
from vidferry_common.contract.batches import ChildPlace, PlaylistRequest
from vidferry_common.contract.formats import Format
from vidferry_common.contract.identity import digest
from vidferry_common.contract.job_urls import events_url, job_url, websocket_url
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.messages import Update, queued_update, utc_now
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.contract.webhooks import Webhook
from vidferry_common.origins import registered_domain, registered_site_of
from vidferry_common.store.downloads import MAX_JOBS
from vidferry_common.store.owner_limits import NO_JOB_LIMITS, JobLimits, QuotaExceeded, describe_bounds
from vidferry_common.store.queue import arq_job
from vidferry_common.store.scripts import RedisFull, ScriptRunner

IDEMPOTENCY_SECONDS = 24 * 3600
MINUTE = 60
WAITING_RETRY_SECONDS = 30
"""after which one of an owner's waiting jobs may have started"""
EVENTS_RETRY_SECONDS = 60
"""after which receivers may have accepted some events"""
QUEUE_BYTES = 128 * 1024**2
"""that the records of all that waits or runs take at the most, where the caller of create() does not say"""
JOB_BYTES = 4096
DOWNLOAD_BYTES = 2048
"""What the record of a job, and of a download, grows to, but for the URL and the public root that it names"""
DOCUMENT_COPIES = 4
"""How often a job's record holds the fixed part of its document: in a field of its own, in its newest message, and in
the steps of its history, which few of the jobs that wait or run have yet"""
METADATA_COPIES = 16
"""How often it holds the metadata: callers choose its size, so the steps of all jobs count"""
MAX_EVENTS = 3
"""of a job that wait for its receiver at the most: that it began, what its video is, and how it ended"""
EVENT_BYTES = 3072
"""what the record of one takes, but for the fixed part of the job's document"""
MAX_METADATA_BYTES = 2048
"""of a job's metadata, written compactly"""
# The status before is lost at the end anyway, and a worker of a newer release may tell one that is unknown here.
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


class BatchMovedOn(Exception):
    """The batch of a new job has ended, was cancelled, or is at another entry."""


_REFUSALS = {b"full": QueueFull, b"no_memory": RedisFull, b"mismatch": IdempotencyMismatch, b"elsewhere": BatchMovedOn}
"""by the outcome that the script tells"""


class Outcome(StrEnum):
    """The outcome of a request for a job; the values are the script's."""

    CREATED = "created"
    """a download of its own is on the queue"""
    ATTACHED = "attached"
    """the job follows a download that was there already"""
    REPLAYED = "replayed"
    """the same request had been made before with this Idempotency-Key"""


class Cancelled(StrEnum):
    """The outcome of a cancellation; the values are the script's."""

    CANCELLED = "cancelled"
    ENDED = "ended"
    """it had ended before"""
    MOVED = "moved"
    """there is a newer state than the one that was to be ended"""
    NONE = "none"
    """there is no such job"""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The record of a job."""

    job_id: str
    owner: str
    """whose it is; empty where access is open"""
    url: str
    format: Format
    created: str
    """RFC 3339"""
    download_id: str
    """empty once the job has ended"""
    state: dict[str, Any]
    """the `data` of its newest message"""
    cursor: str
    priority: Priority
    force: bool
    retry_of: str | None
    external_id: str | None
    """the caller's own name for it"""
    metadata: dict[str, Any] | None
    """what the caller keeps with it"""
    kind: JobKind
    parent: ChildPlace | None
    """the batch that made it"""
    playlist: PlaylistRequest | None
    """of a batch that is made of one"""
    webhook: dict[str, Any] | None
    """what its request says of a webhook"""
    credential: str
    """whose cookies it is done with; empty: those that the service has for everybody"""
    object: str
    """the name of its object in the bucket; empty where it has not completed"""
    version: str
    """of that object"""
    thumbnail: str
    """the thumbnail's name in the bucket, once the job has ended; empty where there is none"""
    history: tuple[dict[str, Any], ...] = ()
    """the `data` of its steps, the oldest first, where they were read too and are still kept"""

    @classmethod
    def parse(cls, job_id: str, fields: dict[bytes, bytes]) -> "JobRecord":
        message, request = orjson.loads(fields[b"state"]), orjson.loads(fields[b"request"])
        return cls(
            job_id=job_id,
            owner=fields.get(b"owner", b"").decode(),
            url=request["url"],
            format=Format.parse(request["format"]),
            created=fields[b"created"].decode(),
            download_id=fields.get(b"download", b"").decode(),
            state=message["data"],
            cursor=message["cursor"],
            priority=Priority(request["priority"]),
            force=request["force"],
            retry_of=request["retry_of"],
            external_id=request.get("external_id"),
            metadata=request.get("metadata"),
            kind=JobKind(request.get("kind", JobKind.DOWNLOAD)),
            parent=ChildPlace(**request["parent"]) if "parent" in request else None,
            playlist=PlaylistRequest(**request["playlist"]) if "playlist" in request else None,
            webhook=request.get("webhook"),
            credential=request.get("credential", ""),
            object=fields.get(b"object", b"").decode(),
            version=fields.get(b"generation", b"").decode(),
            thumbnail=fields.get(b"thumbnail", b"").decode(),
        )

    @property
    def status(self) -> Status:
        return Status(self.state["status"])


def caller_digest(caller: str) -> str:
    """What limits and rates of a caller count by: Redis holds no addresses of theirs."""
    return digest("caller", caller)[:16]


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that a request asks for."""

    job_id: str
    download_id: str
    epoch: str
    url: str
    format: Format
    public_root: str
    """the public root of Vidferry as the caller sees it: `https://host/prefix`, no slash at the end"""
    traceparent: str
    owner: str = ""
    """whose it is; empty where access is open"""
    caller: str = ""
    """who asked for it: an owner, an address, or the network of one; empty where nobody counts"""
    limits: JobLimits = NO_JOB_LIMITS
    """the owner's"""
    partition: str = ""
    """the part of the bucket whose objects it may use (contract/identity.py); empty: the one that all share"""
    credential: str = ""
    """whose cookies it is done with, which then has a partition of its own; empty: those that are for everybody"""
    idempotency_key: str = ""
    priority: Priority = Priority.INTERACTIVE
    force: bool = False
    """fetched anew, also where it is in the bucket"""
    retry_of: str = ""
    """the job that this one tries again"""
    external_id: str | None = None
    """the caller's own name for it"""
    metadata: dict[str, Any] | None = None
    """what the caller keeps with it: JSON of at most MAX_METADATA_BYTES"""
    requested_webhook: dict[str, Any] | None = None
    """what the request says of a webhook"""
    webhook: Webhook | None = None
    """where its events go: as the request says, or as its owner's others do"""
    created: str = field(default_factory=utc_now)
    """RFC 3339"""
    kind: JobKind = JobKind.DOWNLOAD
    parent: ChildPlace | None = None
    """the batch that makes it"""
    asked: dict[str, Any] | None = None
    """further members of its request, of a job that is no download"""
    given_caller: str = ""
    """the digest of who asked for it, where the caller itself is not known any more"""

    @property
    def site(self) -> str:
        """What lists of jobs know its site by; empty where the URL names no host."""
        try:
            return registered_domain(urlsplit(self.url).hostname or "")
        except ValueError:  # the URL of a child that fails at once may be any text
            return ""

    @property
    def shared_site(self) -> str:
        """What the limits and pauses of a site count by: the site, as one with others of its operator."""
        return registered_site_of(self.url)

    @property
    def caller_digest(self) -> str:
        """The digest of its caller."""
        return caller_digest(self.caller) if self.caller else self.given_caller

    @property
    def idempotency_name(self) -> str:
        """What Redis knows its Idempotency-Key by, which is its owner's, or where it has none its caller's; empty
        without a key.
        """
        if not self.idempotency_key:
            return ""
        return idempotency_name(self.owner, self.caller, self.public_root, self.idempotency_key)

    @property
    def fingerprint(self) -> str:
        """Equal for jobs that one download can serve."""
        return digest(self.url, self.format.canonical(), *self._distinctions())

    def _distinctions(self) -> list[str]:
        """What keeps a job from sharing the download of another one for the same URL and format."""
        bounds = describe_bounds(self.limits.max_duration, self.limits.max_bytes)
        return list(filter(None, ["force" if self.force else "", bounds, self.partition and f"in {self.partition}"]))

    @property
    def download_fields(self) -> dict[str, str]:
        """Further fields of the download's record; those that say nothing are left out."""
        fields = {
            # A worker of 0.2.0 would fetch it without the cookies. It finds no URL, and its lease of the attempt ends.
            "url_for_credential" if self.credential else "url": self.url,
            "credential": self.credential,
            "owner": self.owner,
            "partition": self.partition,
            "jobs_running": self.limits.jobs_running,
            "max_duration": self.limits.max_duration,
            "max_bytes": self.limits.max_bytes,
        }
        return {name: str(value) for name, value in fields.items() if value}

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
            # Left out where there is none: a request that the release before was sent has to stay equal.
            **({} if self.external_id is None else {"external_id": self.external_id}),
            **({} if self.metadata is None else {"metadata": _sort_members(self.metadata)}),
            **({} if self.kind is JobKind.DOWNLOAD else {"kind": self.kind}),
            **({"parent": self.parent} if self.parent else {}),
            **(self.asked or {}),
            **({} if self.requested_webhook is None else {"webhook": self.requested_webhook}),
            **({"credential": self.credential} if self.credential else {}),
        }
        return orjson.dumps(asked)

    @property
    def document(self) -> bytes:
        """The part of the job's document that never changes, as JSON members without the braces.

        `expires_at` is the last member, since room.lua replaces its null when the job ends.
        """
        members = {
            **fixed_fields(self),
            "status_url": job_url(self.public_root, self.job_id),
            "ws_url": websocket_url(self.public_root, self.job_id),
            "events_url": events_url(self.public_root, self.job_id),
            "expires_at": None,
        }
        return orjson.dumps(members)[1:-1]

    @property
    def created_ms(self) -> int:
        """The Unix time in ms: what the lists of jobs are ordered by."""
        return round(datetime.fromisoformat(self.created).timestamp() * 1000)

    @property
    def by_external_id(self) -> str:
        """The key of the jobs of its owner with its external id; empty where it has none."""
        return external_id_key(self.owner, self.external_id) if self.external_id is not None else ""

    def foresee_bytes(self, document: bytes) -> int:
        """What its record grows to."""
        own_text = len(orjson.dumps([self.external_id, self.metadata]))
        text = len(self.url) + len(self.public_root)
        events = MAX_EVENTS * (EVENT_BYTES + len(document)) if self.webhook_field else 0
        return JOB_BYTES + text + DOCUMENT_COPIES * len(document) + METADATA_COPIES * own_text + events

    @property
    def webhook_field(self) -> str:
        """What its record keeps of its webhook; empty without one."""
        if self.webhook is None:
            return ""
        domain = registered_domain(urlsplit(self.webhook.url).hostname or "")
        return self.webhook.record_field(self.kind, self.owner, domain)


def fixed_fields(job: NewJob | JobRecord) -> dict[str, Any]:
    """The fields of a job's document that never change, but for its URLs."""
    return {
        "kind": job.kind,
        "url": job.url or None,  # a batch of many URLs has none of its own
        "format": job.format.model_dump(mode="json"),
        "priority": job.priority,
        "force": job.force,
        "retry_of": job.retry_of or None,
        "created_at": job.created,
        "external_id": job.external_id,
        "metadata": job.metadata,
        "parent": asdict(job.parent.describe()) if job.parent else None,
        **({} if job.kind is JobKind.BATCH else {"batch": None}),  # the messages of a batch have their own
        **({} if job.kind is JobKind.PROBE else {"probe": None}),
    }


def describe_job(job: NewJob, request: bytes, document: bytes, foreseen: int) -> dict[str, Any]:
    """What the scripts that make jobs are told of one. foreseen: the bytes that its record grows to."""
    return {
        "id": job.job_id,
        "epoch": job.epoch,
        "owner": job.owner,
        "waiting_limit": job.limits.jobs_waiting if job.owner else 0,
        "bytes_limit": job.limits.bytes_per_day if job.owner else 0,
        "request": request,
        "document": document,
        "site": job.site,
        "public_root": orjson.dumps(job.public_root)[1:-1],
        "bytes": foreseen,
        "created_ms": job.created_ms,
        "by_external_id": job.by_external_id,
        "webhook": job.webhook_field,
    }


def idempotency_name(owner: str, caller: str, public_root: str, key: str) -> str:
    """What Redis knows an Idempotency-Key by. A key is of one public root, since its job's links are.

    caller: counts where there is no owner. An owner may have the name of an address; the keys of the two stay apart.
    """
    return keys.IDEMPOTENCY + digest(f"owner:{owner}" if owner else caller, public_root, key)


def external_id_key(owner: str, external_id: str) -> str:
    """The key of an owner's jobs with that external id."""
    return keys.JOBS_BY_EXTERNAL_ID + digest(owner, external_id)


def _sort_members(value: Any) -> Any:
    """The JSON value with the members of its objects in one order, so that equal values are written equally."""
    if isinstance(value, dict):
        return {name: _sort_members(value[name]) for name in sorted(value)}
    return [_sort_members(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Quota:
    """How many of its requests a minute a caller has left. They become available again one by one."""

    rate: int
    spent: float
    """seconds until all are available again; more than a minute where a request was refused"""

    @property
    def remaining(self) -> int:
        return max(0, int((MINUTE - self.spent) * self.rate / MINUTE))

    @property
    def retry_after(self) -> int:
        """Seconds until one more is available."""
        return max(1, math.ceil(self.spent - MINUTE))


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a request for a job."""

    job_id: str
    job: JobRecord | None
    """the job now; None where it was made by an earlier request and its record has expired since"""
    outcome: Outcome
    quota: Quota | None = None
    """None where the caller's requests are not counted"""
    followed: str = ""
    """the traceparent of the download that the job is attached to; empty where it has one of its own"""

    @property
    def status(self) -> Status | None:
        return self.job.status if self.job else None

    @property
    def replayed(self) -> bool:
        return self.outcome is Outcome.REPLAYED


def parse_created(job: NewJob, request: bytes, caller_rate: int, reply: list[Any]) -> Created:
    """The answer of a script that makes jobs. Raises what JobStore.create() raises."""
    outcome, spent_ms, *made = reply
    quota = Quota(caller_rate, spent_ms / 1000) if caller_rate else None
    if quota and outcome == b"over_rate":
        raise CallerOverRate(quota)
    if outcome == b"jobs_waiting":
        raise QuotaExceeded("jobs_waiting", job.limits.jobs_waiting, WAITING_RETRY_SECONDS)
    if outcome == b"bytes_per_day":
        raise QuotaExceeded("bytes_per_day", job.limits.bytes_per_day, math.ceil(made[0] / 1000))
    if outcome == b"events_waiting":
        raise QuotaExceeded("events_waiting", 0, EVENTS_RETRY_SECONDS)
    if outcome in _REFUSALS:
        raise _REFUSALS[outcome]
    job_id, state, created, *followed = made
    known = {b"request": request, b"owner": job.owner.encode(), b"state": state, b"created": created}
    record = JobRecord.parse(job_id.decode(), known) if state else None
    return Created(job_id.decode(), record, Outcome(outcome.decode()), quota, followed[0].decode() if followed else "")


class JobStore:
    """The jobs in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner, record_seconds: int) -> None:
        self._scripts, self._record_seconds = scripts, record_seconds

    async def check_rate(self, caller: str, rate: int) -> None:
        """Raises CallerOverRate if the caller has no request left of so many a minute (0: any number). Counts none."""
        if not rate:
            return
        pipe = self._scripts.redis.pipeline(transaction=False)
        pipe.get(keys.REQUESTS + caller_digest(caller))
        pipe.time()
        all_left, (seconds, microseconds) = await self._scripts.await_reply(pipe.execute())
        spent = max(0, float(all_left or 0) / 1000 - seconds - microseconds / 1e6) + MINUTE / rate
        if spent > MINUTE:
            raise CallerOverRate(Quota(rate, spent))

    async def create(
        self, job: NewJob, queue_cap: int, queue_bytes: int = QUEUE_BYTES, caller_rate: int = 0, title: str = ""
    ) -> Created:
        """Makes a job and starts or joins its download.

        Raises QueueFull, RedisFull, CallerOverRate, QuotaExceeded, IdempotencyMismatch; for a child BatchMovedOn.
        caller_rate: requests a minute of one caller; 0: any number. title: of the video, where it is known already.
        """
        fmt, text = job.format.canonical(), len(job.url) + len(job.public_root)
        document, request = job.document, job.request
        reply = await self._scripts.run(
            "create",
            [
                keys.JOB + job.job_id,
                keys.DOWNLOAD_BY_URL + job.fingerprint,
                job.idempotency_name,
                keys.DOWNLOAD + job.download_id,
                keys.REQUESTS + job.caller_digest,
            ],
            job=describe_job(job, request, document, job.foresee_bytes(document)),
            download={
                "id": job.download_id,
                "format": fmt,
                "object_by_url": keys.OBJECT_BY_URL + digest(job.url, fmt, *filter(None, [job.partition])),
                "fields": [item for pair in job.download_fields.items() for item in pair],
                "site": job.shared_site,
                "caller": job.caller_digest,
                "head_start": job.priority.head_start_ms,
                "force": job.force,
                "bytes": DOWNLOAD_BYTES + text,
            },
            traceparent=job.traceparent,
            created=job.created,
            body=queued_update(title).body(),
            record_seconds=self._record_seconds,
            idempotency_seconds=IDEMPOTENCY_SECONDS,
            arq=arq_job(job.download_id, 1, self._record_seconds),
            queue_cap=queue_cap,
            queue_bytes=queue_bytes,
            max_jobs=MAX_JOBS,
            caller_rate=caller_rate,
            **({"child": {"batch": job.parent.batch, "index": job.parent.index}} if job.parent else {}),
        )
        return parse_created(job, request, caller_rate, reply)

    async def read(self, job_id: str, *, with_history: bool = False) -> JobRecord | None:
        """The job's record; None where there is none (any more)."""
        if not with_history:
            fields = await self._scripts.await_reply(self._scripts.redis.hgetall(keys.JOB + job_id))
            return JobRecord.parse(job_id, fields) if fields else None
        pipe = self._scripts.redis.pipeline(transaction=True)
        pipe.hgetall(keys.JOB + job_id)
        pipe.lrange(keys.JOB + job_id + keys.HISTORY, 0, -1)
        fields, steps = await self._scripts.await_reply(pipe.execute())
        if not fields:
            return None
        return replace(JobRecord.parse(job_id, fields), history=tuple(orjson.loads(step)["data"] for step in steps))

    async def find_made(self, idempotency_names: Sequence[str]) -> list[str | None]:
        """The ids of the jobs that were made with these keys; each is what NewJob.idempotency_name is."""
        if not idempotency_names:
            return []
        found = await self._scripts.await_reply(self._scripts.redis.mget(idempotency_names))
        return [job_id.decode() if job_id else None for job_id in found]

    async def cancel(self, job: JobRecord) -> Cancelled:
        """Ends the job as it was read; its download stops with its last job, on whichever worker it runs."""
        outcome = await self._scripts.run(
            "cancel",
            [keys.JOB + job.job_id],
            job_id=job.job_id,
            seq=job.state["seq"],
            body=Update.from_data(job.state | _CANCELLED).as_cancelled().body(),
            record_seconds=self._record_seconds,
            expires_at=utc_now(self._record_seconds),
        )
        return Cancelled(outcome.decode())
