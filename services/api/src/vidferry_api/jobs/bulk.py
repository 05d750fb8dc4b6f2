"""`POST /api/jobs:cancel` and `POST /api/jobs:retry`: many jobs at once, by ids or by a filter."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vidferry_api.access.principal import Principal
from vidferry_api.dependencies import Services, find_job
from vidferry_api.http.parameters import MAX_TOKEN
from vidferry_api.http.problems import Problem
from vidferry_api.jobs.cancel import cancel_job
from vidferry_api.jobs.create import JobCreator
from vidferry_api.jobs.list import JobFilterFields, parse_page_token
from vidferry_api.jobs.retry import retry_job
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.field_types import Uuid
from vidferry_common.contract.identity import digest
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.stages import Status
from vidferry_common.store import (
    CallerOverRate,
    IdempotencyMismatch,
    JobRecord,
    QueueFull,
    QuotaExceeded,
    RedisFull,
)

MAX_JOBS = 200
"""of one request"""
MAX_CHILDREN = 5000
"""jobs of batches that one request reads or cancels beside those of its first batch: it takes half a second"""
MAX_ID = 64
"""characters of a job's id in any of its spellings"""
CANCELLABLE = frozenset({Status.QUEUED, Status.PROCESSING})
RETRYABLE = frozenset({Status.FAILED, Status.CANCELLED})
_REFUSALS: dict[type[Exception], ProblemCode] = {
    CallerOverRate: ProblemCode.TOO_MANY_REQUESTS,
    QuotaExceeded: ProblemCode.QUOTA_EXCEEDED,
    QueueFull: ProblemCode.QUEUE_FULL,
    RedisFull: ProblemCode.REDIS_FULL,
}


class BulkRequest(BaseModel):
    """Which jobs: either `job_ids` or `filter`. At most 200 jobs are changed at a time."""

    model_config = ConfigDict(extra="forbid")

    # A text without a bound may be half a surrogate pair, which no response can repeat.
    job_ids: list[Annotated[str, Field(max_length=MAX_ID)]] | None = Field(
        default=None, min_length=1, max_length=MAX_JOBS, description="The ids of the jobs."
    )
    filter: JobFilterFields | None = Field(
        default=None, description="As the query of `GET /api/jobs`; `{}` is every job that can be changed so."
    )
    page_token: str = Field(
        default="",
        max_length=MAX_TOKEN,
        description="The `next_page_token` of the answer before, with the same filter, to go on from there.",
    )

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if (self.job_ids is None) == (self.filter is None):
            raise ValueError("send either job_ids or filter")
        if self.page_token and self.filter is None:
            raise ValueError("send page_token together with filter only")
        return self


class BulkFailure(BaseModel):
    """A job that was not changed."""

    job_id: str = Field(description="The job's id, as it was sent.")
    code: ProblemCode = Field(description="Why, for programs.")
    detail: str = Field(description="A sentence for people that says what to do.")


class BulkResult(BaseModel):
    """What has been done."""

    count: int = Field(description="The length of `job_ids`.")
    job_ids: list[Uuid] = Field(description="The jobs that are cancelled now; of a retry, the new jobs.")
    failed: list[BulkFailure] = Field(description="The jobs that were not changed, and why.")
    next_page_token: str = Field(
        description="Where to go on, if the filter may match more jobs; otherwise empty. A page may have no jobs."
    )


@dataclass(slots=True)
class _Progress:
    """What one request has done so far."""

    next_page_token: str = ""
    job_ids: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    children: int | None = None
    """jobs of the batches so far"""

    def note_failure(self, job_id: str, code: ProblemCode, detail: str) -> None:
        self.failed.append({"job_id": job_id, "code": code, "detail": detail})

    def admit(self, job: JobRecord) -> bool:
        """Whether the request may go on with this job. Notes a failure for a batch that is too much beside others."""
        if job.kind is not JobKind.BATCH:
            return True
        counts = job.state["batch"]["counts"]
        children = counts["total"] or counts["made"]
        if self.children is not None and self.children + children > MAX_CHILDREN:
            self.note_failure(job.job_id, ProblemCode.TOO_MANY_REQUESTS, "Name this batch in another request.")
            return False
        self.children = (self.children or 0) + children
        return True

    def document(self) -> dict[str, Any]:
        return {
            "count": len(self.job_ids),
            "job_ids": self.job_ids,
            "failed": self.failed,
            "next_page_token": self.next_page_token,
        }


async def cancel_jobs(asked: BulkRequest, services: Services, principal: Principal) -> dict[str, Any]:
    """Cancels the jobs. One that is cancelled already counts as done, so repeating the request is harmless."""
    progress = _Progress()
    for job in await _select_jobs(asked, CANCELLABLE, services, principal, progress):
        if not (job.status.terminal or progress.admit(job)):
            continue
        try:
            await cancel_job(job, services, principal)
            progress.job_ids.append(job.job_id)
        except Problem as problem:
            progress.note_failure(job.job_id, problem.code, problem.detail)
    return progress.document()


async def retry_jobs(
    asked: BulkRequest, services: Services, principal: Principal, creator: JobCreator
) -> dict[str, Any]:
    """Retries the jobs. Each has an Idempotency-Key of its own, made from the request's, so a repetition retries none
    twice.

    A refusal that would meet every further job, such as a full queue, ends it. Raises that if no job was retried, and
    before any is read where the caller has no request left.
    """
    progress = _Progress()
    await creator.check_rate(principal.owner)
    jobs = await _select_jobs(asked, RETRYABLE, services, principal, progress)
    if asked.filter is not None:
        jobs = await _leave_out_own_retries(jobs, services, creator)
        jobs = await _leave_to_batches(jobs, asked.filter, services, principal)
    for place, job in enumerate(jobs):
        if not progress.admit(job):
            continue
        try:
            created = await retry_job(job, creator, _key_for(job.job_id, creator))
            progress.job_ids.append(created.job_id)
        except Problem as problem:
            progress.note_failure(job.job_id, problem.code, problem.detail)
        except IdempotencyMismatch:  # the limits of the owner have changed since, and with them the format
            progress.note_failure(job.job_id, ProblemCode.IDEMPOTENCY_MISMATCH, "Use a new Idempotency-Key.")
        except tuple(_REFUSALS) as refusal:
            if not progress.job_ids:
                raise
            for left in jobs[place:]:
                progress.note_failure(left.job_id, _REFUSALS[type(refusal)], "Retry this job later.")
            break
    return progress.document()


async def _select_jobs(
    asked: BulkRequest, statuses: frozenset[Status], services: Services, principal: Principal, progress: _Progress
) -> list[JobRecord]:
    """The jobs that are asked for. Of a filter those with these statuses, which are what the method can change."""
    if asked.filter is None:
        return await _find_jobs(asked.job_ids or [], services, principal, progress)
    if not set(asked.filter.status) <= statuses:
        allowed = " and ".join(sorted(statuses))
        raise Problem(ProblemCode.INVALID_REQUEST, f"In the filter, status can be {allowed} here.")
    narrowed = asked.filter.model_copy(update={"status": asked.filter.status or sorted(statuses)})
    which = narrowed.filter_for(principal)
    page = await services.store.job_lists.read_page(which, MAX_JOBS, parse_page_token(asked.page_token, which))
    progress.next_page_token = page.next_place.token(which) if page.next_place else ""
    return page.jobs


async def _find_jobs(
    job_ids: list[str], services: Services, principal: Principal, progress: _Progress
) -> list[JobRecord]:
    """The jobs with these ids. Notes a failure for each that does not exist for the principal."""
    jobs: dict[str, JobRecord] = {}
    for job_id in dict.fromkeys(job_ids):
        try:
            job = await find_job(job_id, services, principal)
            jobs[job.job_id] = job
        except Problem as problem:
            progress.note_failure(job_id, problem.code, problem.detail)
    return list(jobs.values())


async def _leave_out_own_retries(jobs: list[JobRecord], services: Services, creator: JobCreator) -> list[JobRecord]:
    """The jobs without those that this same request made before: they may have failed since, and match the filter."""
    retries = [job for job in jobs if creator.key and job.retry_of]
    names = [creator.name_key(_key_for(job.retry_of or "", creator), job.owner) for job in retries]
    made = await services.store.jobs.find_made(names)
    own = {job.job_id for job, job_id in zip(retries, made, strict=True) if job.job_id == job_id}
    return [job for job in jobs if job.job_id not in own]


async def _leave_to_batches(
    jobs: list[JobRecord], filtered: JobFilterFields, services: Services, principal: Principal
) -> list[JobRecord]:
    """The jobs without the children of batches that the filter chooses as well: a batch's retry has its children."""
    if filtered.batch or filtered.kind is not None or filtered.site:  # a batch of many URLs is of no site
        return jobs
    which, statuses = filtered.filter_for(principal), frozenset(filtered.status) or RETRYABLE
    retried: set[str] = set()
    for batch_id in {job.parent.batch for job in jobs if job.parent}:
        batch = await services.store.jobs.read(batch_id)
        if batch is not None and batch.status in statuses and which.includes(batch):
            retried.add(batch_id)
    return [job for job in jobs if job.parent is None or job.parent.batch not in retried]


def _key_for(job_id: str, creator: JobCreator) -> str:
    """The Idempotency-Key of one job's retry; empty if the request has none."""
    return digest("retry", creator.key, job_id) if creator.key else ""
