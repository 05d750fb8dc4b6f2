"""How a job is cancelled."""

import logging

from vidferry_api.dependencies import Services, find_job
from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status
from vidferry_common.store import Cancelled, JobRecord

logger = logging.getLogger(__name__)

TRIES = 20
"""A download tells something every few hundred milliseconds, a try takes two round trips to Redis. Where so many are in
vain, nothing is gained by one more."""


async def cancel_job(job: JobRecord, services: Services) -> JobRecord:
    """The job as it is then. What it told meanwhile is not lost: only the state that was read is ended.

    Problem where the job ends otherwise first, or changes with every try.
    """
    for _ in range(TRIES):
        outcome = await services.store.jobs.cancel(job)
        if outcome is Cancelled.CANCELLED:
            services.metrics.cancelled.add(job.status)
            logger.info("job cancelled", extra={"job_id": job.job_id})
        job = await find_job(job.job_id, services)
        if job.status is Status.CANCELLED:
            return job
        if outcome is Cancelled.ENDED:
            raise Problem(
                ProblemCode.JOB_ENDED, "The job ended before it could be cancelled. Read the job to see its result."
            )
    raise Problem(ProblemCode.JOB_BUSY, "Try again in a few seconds.")
