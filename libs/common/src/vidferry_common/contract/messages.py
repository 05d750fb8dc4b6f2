r"""A job's message: a body, made once a download, and a frame that Redis puts around it for each attached job.

    {"v":1,"type":"status","step":true,"cursor":"<epoch>-<seq>","traceparent":"…","data":{"job_id":"…","seq":17,<body>}}

`step` is there where the message is a step: it is kept in the job's history and sent to every watcher. In a step, and
in a job's first message, the rest of the job's document follows the body: its cursor, and what never changes of it.

The body is what all attached jobs share. What differs from job to job inside it is marked by a control character, which
JSON text never contains raw: \x01 is the job's public root (`https://host/prefix`), \x02 its id.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.result import Result
from vidferry_common.contract.stages import RELEASED_TO, Stage, Status, Step

VERSION = 1

WAITING = "Waiting for a worker"
PARKED = "Waiting: this site or caller already has as many running downloads as allowed"

SPACED = "Waiting: this site's downloads start one after another"
RELEASED = "The site answers again." + RELEASED_TO

ROOT_MARK = "\x01"
JOB_MARK = "\x02"

ENVELOPE = re.compile(
    rb'\{"v":1,"type":"status",(?P<step>"step":true,)?"cursor":"(?P<epoch>[0-9a-f]{8})-(?P<seq>\d{1,15})",'
    rb'"traceparent":".{55}","data":\{"job_id":".{36}","seq":(?P<same_seq>\d+),'
    rb'"status":"(?P<status>[a-z]+)","stage":"(?P<stage>[a-z]+)","timestamp":"(?P<timestamp>.{24})",'
)
"""How a message of the scripts begins (store/scripts/messages.lua, then Update.body): what a gateway reads of it."""

_CURSOR = re.compile(r"([0-9a-f]{8})-(\d{1,15})")


def job_link(path: str) -> orjson.Fragment:
    """A public address below the job's own, as JSON: `job_link("file")` is `https://…/api/jobs/<id>/file`."""
    return orjson.Fragment(f'"{ROOT_MARK}/api/jobs/{JOB_MARK}/{path}"'.encode())


def public_link(url: str) -> str | orjson.Fragment:
    """url, or, where it begins with "/", that path below the job's public root."""
    if not url.startswith("/"):
        return url
    return orjson.Fragment(b'"' + ROOT_MARK.encode() + orjson.dumps(url)[1:])


@dataclass(frozen=True, slots=True)
class Update:
    """The state of a download, from which the body of a message is made."""

    status: Status
    stage: Stage
    progress: float
    """per cent"""
    message: str
    attempt: int = 0
    title: str | None = None
    has_thumbnail: bool = False
    downloaded_bytes: int | None = None
    total_bytes: int | None = None
    speed: float | None = None
    """bytes/s"""
    eta: float | None = None
    """seconds to the end of the stage"""
    retries: int = 0
    max_retries: int | None = None
    retry_at: str | None = None
    result: Result | None = None
    error: Failure | None = None

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Update":
        """The update that the `data` of a message was made from, of a download that has not ended."""
        told = {name: data[name] for name in _FIELDS if name in data}
        return cls(**told | {"status": Status(data["status"]), "stage": Stage(data["stage"])},
                   has_thumbnail=data.get("thumbnail") is not None)  # fmt: skip

    @classmethod
    def from_body(cls, body: bytes) -> "Update":
        """The update that body() was called on, of a download that has not ended."""
        return cls.from_data(orjson.loads(b"{" + body.translate(None, (ROOT_MARK + JOB_MARK).encode()) + b"}"))

    @property
    def outcome(self) -> str:
        """How a download has ended: its status, or `reused` if the video was in the bucket already."""
        return "reused" if self.result and self.result.reused else self.status.value

    def at_step(self, step: Step, **changes: Any) -> "Update":
        """The update at that step, with the changes."""
        return replace(self, stage=step.stage, progress=step.progress, message=step.message, **changes)

    def as_failed(self, why: ErrorCode | Failure) -> "Update":
        """The update as the last one of a download that failed."""
        failure = why if isinstance(why, Failure) else Failure.of(why)
        return replace(
            self,
            status=Status.FAILED,
            stage=Stage.FAILED,
            message=failure.message,
            speed=None,
            eta=None,
            retry_at=None,
            error=failure,
        )

    def as_waiting(self, message: str = WAITING, **changes: Any) -> "Update":
        """The update with the download back on the queue, for another attempt."""
        idle: dict[str, Any] = {"speed": None, "eta": None, "retry_at": None}
        return replace(self, status=Status.QUEUED, stage=Stage.QUEUED, message=message, **idle | changes)

    def as_cancelled(self) -> "Update":
        """The update as the last one of a job that was cancelled."""
        return replace(
            self,
            status=Status.CANCELLED,
            stage=Stage.CANCELLED,
            message="Cancelled",
            speed=None,
            eta=None,
            retry_at=None,
        )

    def body(self) -> bytes:
        """The body of a message: JSON members without the braces."""
        fields: dict[str, Any] = {
            "status": self.status,
            "stage": self.stage,
            "timestamp": utc_now(),
            "progress": round(self.progress, 2),
            "message": self.message,
            "attempt": self.attempt,
            "downloaded_bytes": self.downloaded_bytes,
            "total_bytes": self.total_bytes,
            "speed": None if self.speed is None else round(self.speed, 1),
            "eta": None if self.eta is None else round(self.eta, 1),
            "title": self.title,
            "thumbnail": job_link("thumbnail") if self.has_thumbnail else None,
            "retries": self.retries,
            "max_retries": self.max_retries,
            "retry_at": self.retry_at,
        }
        if self.result is not None:
            fields["result"] = self.result
        if self.error is not None:
            fields["error"] = self.error
        return orjson.dumps(fields)[1:-1]


_FIELDS = ("progress", "message", "attempt", "title", "downloaded_bytes", "total_bytes", "speed", "eta", "retries",
           "max_retries", "retry_at")  # fmt: skip


def queued_update(title: str = "") -> Update:
    """The update of a download that waits for its first attempt. title: the video's, where it is known already."""
    return Update(Status.QUEUED, Stage.QUEUED, 0, WAITING, title=title or None)


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds; moment is in UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now(seconds_ahead: float = 0) -> str:
    """The time now, or in so many seconds."""
    return format_timestamp(datetime.now(UTC) + timedelta(seconds=seconds_ahead))


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a job's messages. Its epoch names the job's record, so a cursor of an earlier record is recognised."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """None where text is no cursor: a client may hand back anything."""
        match = _CURSOR.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None
