"""Retries jobs that failed or were cancelled."""

from vidferry_api.http.problems import Problem
from vidferry_api.http.public_urls import job_url
from vidferry_api.jobs.create import JobCreator
from vidferry_api.jobs.schemas import Accepted
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status
from vidferry_common.store import JobRecord


async def retry_job(job: JobRecord, creator: JobCreator) -> Accepted:
    """Creates a new job like this one. Raises Problem if this one has not ended, or has completed."""
    if not job.status.terminal:
        raise Problem(ProblemCode.JOB_NOT_ENDED, "The job has not ended. Cancel it first, or wait until it has ended.")
    if job.status is Status.COMPLETED:
        file = f"{job_url(creator.public_root, job.job_id)}/file"
        raise Problem(
            ProblemCode.JOB_COMPLETED,
            f"The file is at {file}. To download the video again, create a job with force set to true.",
        )
    return await creator.create(job.url, job.format, job.priority, force=job.force, retry_of=job.job_id)
