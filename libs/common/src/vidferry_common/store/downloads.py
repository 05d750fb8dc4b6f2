"""Downloads: the work for one video in one format, and the messages to all jobs that are attached to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.exceptions import RedisError

from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.identity import digest
from vidferry_common.contract.messages import Update, utc_now
from vidferry_common.store.leases import Claim
from vidferry_common.store.owner_limits import describe_bounds
from vidferry_common.store.queue import arq_job
from vidferry_common.store.scripts import ScriptRunner

MAX_JOBS = 1000
"""of one download: each of its messages is sent to all of them within one script"""


class DownloadStatus(StrEnum):
    """The status of a download; the values are the record's."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class DownloadRecord:
    """The record of a download. Once it has ended, only its status and its counters are left."""

    status: DownloadStatus
    attempt: int
    """the fence: the number of the last claim"""
    retries: int
    worker_losses: int
    created: str
    """RFC 3339; empty once it has ended"""
    body: bytes
    """of the last message; once the download has ended, the digest of that"""
    thumbnail: str
    """the thumbnail's name in the bucket; empty until it is there"""
    traceparent: str
    """of the job that asked for it first; empty once it has ended"""

    @classmethod
    def parse(cls, fields: dict[bytes, bytes]) -> "DownloadRecord":
        return cls(
            status=DownloadStatus(fields[b"status"].decode()),
            attempt=int(fields[b"attempt"]),
            retries=int(fields[b"retries"]),
            worker_losses=int(fields[b"worker_losses"]),
            created=fields.get(b"created", b"").decode(),
            body=fields[b"body"],
            thumbnail=fields.get(b"thumbnail", b"").decode(),
            traceparent=fields.get(b"traceparent", b"").decode(),
        )

    @property
    def last(self) -> Update | None:
        """The last update; None once the download has ended. Only for services that are not older than the worker."""
        return None if self.status is DownloadStatus.ENDED else Update.from_body(self.body)


class ObjectDeleted(Exception):
    """Somebody has deleted the object that the jobs were to be given."""


class Cause(StrEnum):
    """Why a running download goes back on the queue; the values name the record's counters."""

    HANDOVER = ""
    RETRY = "retries"
    WORKER_LOSS = "worker_losses"


class RequeueOutcome(StrEnum):
    """The outcome of a requeue; the values are the script's."""

    REQUEUED = "requeued"
    ENDED = "ended"
    """its cause has counted up to the limit"""
    STALE = "stale"
    """the attempt is not the current one any more, or its worker lives"""


@dataclass(frozen=True, slots=True)
class Requeue:
    """An order to put a download back on the queue."""

    cause: Cause
    update: Update
    """what its watchers see while it waits"""
    delay: float = 0
    """seconds"""
    limit: int = 0
    """the cause may count up to this; then the download ends"""
    failure: ErrorCode | Failure = ErrorCode.INTERNAL
    """with this"""
    outdated: str = ""
    """the version of yt-dlp that does not understand the site; empty where that is not why"""
    awaits_bundle: bool = False
    """whether the delay may end sooner: when a look for a newer bundle has ended"""
    last: bytes = b""
    """for a worker loss: the body that the update was made from; where another one was sent since, the worker lives"""
    site_answered: bool = False
    """whether the attempt has shown that its site answers, which ends a pause whose trial it was"""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the records keep of a download that has ended. All is empty where it failed."""

    object: str = ""
    """the name of the object that it made or found"""
    version: str = ""
    """of that object"""
    leads_to: str = ""
    """the object that its URL leads to, as far as that can be told without asking the site"""
    known_for: float = 0
    """seconds that this is remembered"""
    uploaded: int = 0
    """bytes of the object, if this download has put it into the bucket"""
    pinned: str = ""
    """the object again, if it was pinned for the jobs"""
    site_answered: bool = False
    """as Requeue.site_answered"""


@dataclass(frozen=True, slots=True)
class Publication:
    """A message of a download, for all its jobs."""

    claim: Claim
    body: bytes
    update: Update
    """what the body was made from"""
    step: bool
    """whether it is a change of stage, which is kept for those who join later"""


class DownloadStore:
    """The downloads in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner, record_seconds: int) -> None:
        self._scripts, self._record_seconds = scripts, record_seconds

    async def read(self, download_id: str) -> DownloadRecord | None:
        """The download's record; None where there is none (any more)."""
        fields = await self._scripts.await_reply(self._scripts.redis.hgetall(keys.DOWNLOAD + download_id))
        return DownloadRecord.parse(fields) if fields else None

    async def record_thumbnail(self, download_id: str, name: str) -> None:
        """Records that the thumbnail is in the bucket under that name."""
        await self._scripts.run("set_fields", [keys.DOWNLOAD + download_id], fields={"thumbnail": name})

    async def claim_object(self, claim: Claim, name: str) -> bool | None:
        """Whether the download is the one that makes that object; else its jobs have moved to the one that does.

        None where the claim is not the current one any more.
        """
        outcome = await self._scripts.run(
            "claim_object",
            [keys.DOWNLOAD + claim.download_id, _by_object(claim, name)],
            download_id=claim.download_id,
            attempt=claim.attempt,
            record_seconds=self._record_seconds,
            max_jobs=MAX_JOBS,
        )
        return None if outcome is None else bool(outcome == b"mine")

    async def find_maker_trace(self, claim: Claim, name: str) -> str:
        """The traceparent of the download to which claim_object() has moved the jobs; empty if it has ended."""
        redis = self._scripts.redis
        maker = await self._scripts.await_reply(redis.get(_by_object(claim, name)))
        found = maker and await self._scripts.await_reply(redis.hget(keys.DOWNLOAD + maker.decode(), "traceparent"))
        return str(found.decode()) if found else ""

    async def publish(self, claim: Claim, body: bytes, *, step: bool) -> list[str] | None:
        """Sends a message to all jobs of the download. Their ids; None where the claim is not the current one."""
        name, *args = self._publish_arguments(claim, body, step=step)
        return _decode_ids(await self._scripts.run_positional("publish", [name], *args))

    async def publish_all(self, publications: Sequence[Publication]) -> list[list[str] | None]:
        """As publish, for one message of each of many downloads, in one pipeline."""
        given = [self._publish_arguments(each.claim, each.body, step=each.step) for each in publications]
        sha, pipe = self._scripts.sha("publish"), self._scripts.redis.pipeline(transaction=False)
        for names_and_args in given:
            pipe.evalsha(sha, 1, *names_and_args)
        replies = await self._scripts.await_reply(pipe.execute(raise_on_error=False))
        # After a restart Redis does not know the scripts; a message whose script failed is sent again.
        return [
            await self.publish(each.claim, each.body, step=each.step)
            if isinstance(reply, RedisError)
            else _decode_ids(reply)
            for each, reply in zip(publications, replies, strict=True)
        ]

    def _publish_arguments(self, claim: Claim, body: bytes, *, step: bool) -> list[Any]:
        return [keys.DOWNLOAD + claim.download_id, claim.attempt, body, "1" if step else "", self._record_seconds]

    async def finish(self, claim: Claim, body: bytes, ending: Ending) -> list[str] | None:
        """Ends the download and all its jobs, whose records keep what the ending tells. Returns as publish does.

        ObjectDeleted where the pin of the object is gone: it was deleted since, on request.
        """
        facts = {"object": ending.object, "generation": ending.version}
        told = await self._scripts.run(
            "finish",
            [keys.DOWNLOAD + claim.download_id],
            download_id=claim.download_id,
            attempt=claim.attempt,
            body=body,
            record_seconds=self._record_seconds,
            expires_at=utc_now(self._record_seconds),
            leads_to=ending.leads_to,
            known_s=int(ending.known_for),
            uploaded=ending.uploaded,
            pinned=ending.pinned,
            site_answered=ending.site_answered,
            facts=[item for pair in facts.items() if pair[1] for item in pair],
        )
        if told == b"unpinned":
            raise ObjectDeleted
        return _decode_ids(told)

    async def requeue(self, download_id: str, attempt: int, how: Requeue) -> RequeueOutcome:
        """Puts a running download back on the queue, for its next attempt."""
        outcome = await self._scripts.run(
            "requeue",
            [keys.DOWNLOAD + download_id],
            download_id=download_id,
            attempt=attempt,
            cause=how.cause,
            limit=how.limit,
            delay_ms=int(how.delay * 1000),
            body=how.update.body(),
            last=how.last,
            outdated=how.outdated,
            awaits_bundle=how.awaits_bundle,
            failure=how.update.as_failed(how.failure).body(),
            record_seconds=self._record_seconds,
            expires_at=utc_now(self._record_seconds),
            site_answered=how.site_answered,
            arq=arq_job(download_id, attempt + 1, self._record_seconds),
        )
        return RequeueOutcome(outcome.decode())


def _decode_ids(reply: list[bytes] | None) -> list[str] | None:
    return None if reply is None else [job_id.decode() for job_id in reply]


def _by_object(claim: Claim, name: str) -> str:
    """The key by which downloads that make the same object find each other."""
    apart = filter(None, ["force" if claim.force else "", describe_bounds(claim.max_duration, claim.max_bytes)])
    return keys.DOWNLOAD_BY_OBJECT + digest(name, *apart)
