"""The two records: a job is one caller's request, a download the work for one video in one format."""

from dataclasses import dataclass
from typing import Any

import orjson

from vidferry_common.contract.formats import Format
from vidferry_common.contract.messages import Update
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.stages import Status

OBJECT = b"object"
"""field of a job that has completed: the name of its object in the bucket"""
GENERATION = b"generation"
"""field beside it: the generation of that object, decimal"""
THUMBNAIL = b"thumbnail"
"""field of a download that runs, then of its jobs: the name of the picture in the bucket, once it is there"""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it is now."""

    job_id: str
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
    object: str
    """the name of its object in the bucket; empty where it has not completed"""
    generation: str
    """of that object, decimal"""
    thumbnail: str
    """the name of the picture in the bucket, once the job has ended; empty where there is none"""

    @classmethod
    def read(cls, job_id: str, fields: dict[bytes, bytes]) -> "JobRecord":
        message, request = orjson.loads(fields[b"state"]), orjson.loads(fields[b"request"])
        return cls(
            job_id=job_id,
            url=request["url"],
            format=Format.parse(request["format"]),
            created=fields[b"created"].decode(),
            download_id=fields.get(b"download", b"").decode(),
            state=message["data"],
            cursor=message["cursor"],
            priority=Priority(request["priority"]),
            force=request["force"],
            retry_of=request["retry_of"],
            object=fields.get(OBJECT, b"").decode(),
            generation=fields.get(GENERATION, b"").decode(),
            thumbnail=fields.get(THUMBNAIL, b"").decode(),
        )

    @property
    def status(self) -> Status:
        return Status(self.state["status"])


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt of a download, held by its lease."""

    download_id: str
    attempt: int
    """the fence: it rises at every claim"""
    url: str
    format: Format
    retries: int
    traceparent: str
    last: Update
    """what was told last, of an earlier attempt or of the queue"""
    force: bool
    """whether the video is to be fetched anew, even where it is in the bucket"""
    seen: str
    """the object that the address has led to before; empty where that is not known"""
    created: str
    """RFC 3339: of the download, by the clock of the api"""
    waited: float
    """seconds from when the attempt was due to its claim"""

    @classmethod
    def read(cls, download_id: str, fields: dict[bytes, bytes], waited: float) -> "Claim":
        return cls(
            download_id=download_id,
            attempt=int(fields[b"attempt"]),
            url=fields[b"url"].decode(),
            format=Format.parse(fields[b"format"].decode()),
            retries=int(fields[b"retries"]),
            traceparent=fields[b"traceparent"].decode(),
            last=Update.read(fields[b"body"]),
            force=bool(fields[b"force"]),
            seen=fields[b"known_object"].decode(),
            created=fields[b"created"].decode(),
            waited=waited,
        )


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What waits and what runs, of all workers."""

    waiting: int
    """due, and not claimed yet"""
    deferred: int
    """until their next try"""
    running: int
    oldest: float
    """seconds since the one that waits longest was due; 0 where none waits"""


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """Bytes of Redis' memory."""

    used: int
    maximum: int
    """`maxmemory`; 0 where that is not set"""
    counted: int
    """what counts against the maximum: all that is used but the buffers of replicas and of the append-only file"""

    @property
    def share(self) -> float:
        """Of the maximum; 0 where there is none."""
        return self.counted / self.maximum if self.maximum else 0
