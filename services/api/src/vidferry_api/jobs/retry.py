"""Retries jobs that failed or were cancelled."""

from vidferry_api.http.problems import Problem
from vidferry_api.http.public_urls import job_url
from vidferry_api.jobs.create import JobCreator, JobRequest
from vidferry_api.jobs.retry_batch import retry_batch
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.stages import Status
from vidferry_common.store import Created, JobRecord
from vidferry_common.urls import canonical_url


async def retry_job(job: JobRecord, creator: JobCreator, key: str | None = None) -> Created:
    """Creates a new job like this one, for the same owner. Raises Problem if this one has not ended, or has completed.

    Of a batch the new one has what did not complete. key: an Idempotency-Key in place of the request's own.
    """
    if not job.status.terminal:
        raise Problem(ProblemCode.JOB_NOT_ENDED, "The job has not ended. Cancel it first, or wait until it has ended.")
    if job.kind is JobKind.BATCH:
        return await retry_batch(job, creator, key)
    if job.status is Status.COMPLETED:
        if job.kind is JobKind.PROBE:
            raise Problem(ProblemCode.JOB_COMPLETED, "To look at the URL again, create another probe.")
        file = f"{job_url(creator.public_root, job.job_id)}/file"
        raise Problem(
            ProblemCode.JOB_COMPLETED,
            f"The file is at {file}. To download the video again, create a job with force set to true.",
        )
    _check_url(job)
    asked = JobRequest(
        job.url, job.format, job.priority, job.force, job.external_id, job.metadata, job.webhook, job.credential
    )
    if job.kind is JobKind.PROBE:
        return await creator.create_probe(asked, retry_of=job.job_id, owner=job.owner, key=key)
    title = job.state["title"] or ""
    return await creator.create(asked, retry_of=job.job_id, owner=job.owner, key=key, title=title)


def _check_url(job: JobRecord) -> None:
    """Raises Problem if no job can be made of the URL: a batch's child has that of its entry, which may be any text."""
    try:
        canonical_url(job.url)
    except ValueError:
        raise Problem(ProblemCode.INVALID_URL, "Create a new job with a URL that is valid.") from None
