"""Lists of jobs: an owner's, the newest first, in pages."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import orjson

from vidferry_common.contract import keys
from vidferry_common.contract.batches import child_id
from vidferry_common.contract.identity import digest
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.stages import Status
from vidferry_common.store.jobs import JobRecord, external_id_key
from vidferry_common.store.scripts import ScriptRunner

STRETCH = 100
"""ids that one script looks at: it takes about a millisecond, in which Redis does nothing else"""
MAX_STRETCHES = 20
"""scripts for one page; a page that has found less by then is short, and the next one goes on from there"""
_FIELDS = ("request", "created", "state", "owner", "download", "object", "generation", "thumbnail")
_OPEN = frozenset(status for status in Status if not status.terminal)
_MAX_TOKEN = 256


class InvalidPlace(Exception):
    """A page token that Vidferry has not made for this list."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which of an owner's jobs are asked for."""

    owner: str
    statuses: frozenset[Status] = field(default_factory=frozenset)
    """empty: any"""
    kind: JobKind | None = None
    batch: str = ""
    """the id of the batch that made them; empty: any, or none"""
    site: str = ""
    """the registered domain; empty: any"""
    external_id: str | None = None
    created_after: datetime | None = None
    """the jobs that were created then or later"""
    created_before: datetime | None = None
    """the jobs that were created earlier"""

    @property
    def digest(self) -> str:
        """Equal for equal filters."""
        values = (
            self.owner, ",".join(sorted(self.statuses)), self.kind or "", self.site,
            "" if self.external_id is None else f"={self.external_id}", *map(_describe_moment, self._bounds),
            *filter(None, [self.batch]),
        )  # fmt: skip
        return digest(*values)[:16]

    @property
    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        return self.created_after, self.created_before

    @property
    def only_open(self) -> bool:
        """Whether only jobs that have not ended are asked for."""
        return bool(self.statuses) and self.statuses <= _OPEN

    def includes(self, job: JobRecord) -> bool:
        """Whether a job of the batch is one that was created, and called, as is asked for."""
        created, (since, before) = datetime.fromisoformat(job.created), self._bounds
        is_within = (since is None or created >= since) and (before is None or created < before)
        return is_within and (self.external_id is None or job.external_id == self.external_id)

    @property
    def index(self) -> str:
        """The key of the shortest index that has all of these jobs."""
        if self.external_id is not None:
            return external_id_key(self.owner, self.external_id)
        return (keys.OPEN_JOBS if self.only_open else keys.JOBS_BY_OWNER) + self.owner


def _narrow(which: JobFilter) -> dict[str, Any]:
    """What list_jobs.lua is told of the jobs that are asked for, beside where to look for them."""
    return {
        **({"statuses": {status.value: True for status in which.statuses}} if which.statuses else {}),
        **({"site": which.site} if which.site else {}),
        **({} if which.kind is None else {"kind": "" if which.kind is JobKind.DOWNLOAD else which.kind}),
    }


def _describe_moment(moment: datetime | None) -> str:
    return "" if moment is None else str(moment.timestamp())


@dataclass(frozen=True, slots=True)
class Place:
    """A job in a list, also one that has been deleted since. The list goes on after it."""

    ms: int
    job_id: str

    def token(self, which: JobFilter) -> str:
        """The place in a list with that filter, as text that callers hand back."""
        return urlsafe_b64encode(orjson.dumps([which.digest, self.ms, self.job_id])).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str, which: JobFilter) -> Self:
        """Raises InvalidPlace where token() has not made it for that filter."""
        try:
            if len(token) > _MAX_TOKEN:
                raise InvalidPlace
            made_for, ms, job_id = json.loads(urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
            place = cls(int(ms), str(UUID(job_id)))
            is_own = made_for == which.digest and place.token(which) == token
        except (ValueError, TypeError, AttributeError, OverflowError):  # TypeError: also of a number beyond 64 bits
            raise InvalidPlace from None
        if not is_own:
            raise InvalidPlace
        return place


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of a list. It may be short, and even empty, while more follow."""

    jobs: list[JobRecord]
    next_place: Place | None
    """None where nothing follows"""


class JobLists:
    """The lists of jobs in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    async def read_page(self, which: JobFilter, size: int, after: Place | None = None) -> JobPage:
        """The jobs that follow a place, the newest first; from the newest on where there is none.

        No job is there twice, and none is left out that was there when the first page was read, while jobs come.
        The jobs of a batch come in the order of its entries.
        """
        if which.batch:
            return await self._read_children(which, size, after)
        jobs: list[JobRecord] = []
        for _ in range(MAX_STRETCHES):
            found, at_end, after = await self._read_stretch(which, size - len(jobs), after)
            jobs += found
            if at_end:
                return JobPage(jobs, None)
            if len(jobs) >= size:
                break
        return JobPage(jobs, after)

    async def _read_stretch(
        self, which: JobFilter, count: int, after: Place | None
    ) -> tuple[list[JobRecord], bool, Place | None]:
        """The jobs found, whether there are no more, and the place of the last one that was looked at."""
        since, before = which.created_after, which.created_before
        at_end, last_ms, last_id, *found = await self._scripts.run(
            "list_jobs",
            [which.index],
            **({"place": [after.ms, after.job_id]} if after else {}),
            since_ms=since.timestamp() * 1000 if since else 0,
            before=f"{before.timestamp() * 1000:.3f}" if before else "+inf",
            most=STRETCH,
            count=count,
            fields=_FIELDS,
            **_narrow(which),
            open=which.index.startswith(keys.OPEN_JOBS),
        )
        # A record whose job an older worker has ended names no owner any more.
        jobs = [job for job in _parse_jobs(found) if job.owner == which.owner]
        return jobs, bool(at_end), Place(round(float(last_ms)), last_id.decode()) if last_id else after

    async def _read_children(self, which: JobFilter, size: int, after: Place | None) -> JobPage:
        """The page of a batch's jobs. A place in such a list has the job's index in the batch for its ms."""
        made, first = await self._count_children(which), after.ms + 1 if after else 0
        jobs: list[JobRecord] = []
        for _ in range(MAX_STRETCHES):
            ids = [child_id(which.batch, index) for index in range(first, min(first + STRETCH, made))]
            found = await self._scripts.run("list_jobs", [], ids=ids, fields=_FIELDS, **_narrow(which)) if ids else []
            jobs += [job for job in _parse_jobs(found) if which.includes(job)]
            first += STRETCH
            if first >= made or len(jobs) >= size:
                break
        last = jobs[size - 1] if len(jobs) >= size else None
        if last is not None and last.parent is not None:
            first = last.parent.index + 1
        return JobPage(jobs[:size], Place(first - 1, child_id(which.batch, first - 1)) if first < made else None)

    async def _count_children(self, which: JobFilter) -> int:
        """How many jobs the batch has made; 0 where there is no such batch of the owner's."""
        reply = self._scripts.redis.hmget(keys.JOB + which.batch, ["owner", "state"])
        owner, state = await self._scripts.await_reply(reply)
        if state is None or (owner or b"").decode() != which.owner:
            return 0
        batch = orjson.loads(state)["data"].get("batch")
        return int(batch["counts"]["made"]) if batch else 0


def _parse_jobs(found: list[Any]) -> Iterator[JobRecord]:
    names = [name.encode() for name in _FIELDS]
    for job_id, values in zip(found[::2], found[1::2], strict=True):
        fields = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        yield JobRecord.parse(job_id.decode(), fields)
