"""Cancels jobs."""

import logging

from vidferry_api.access.principal import Principal
from vidferry_api.dependencies import Services, find_job
from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.stages import Status
from vidferry_common.store import Cancelled, JobRecord

logger = logging.getLogger(__name__)

MAX_TRIES = 20
"""A job's state changes every few hundred milliseconds, and a try takes two round trips to Redis. If that many fail,
another one would not help."""


async def cancel_job(job: JobRecord, services: Services, principal: Principal) -> JobRecord:
    """Cancels a job, and all jobs of a batch, and returns it as it is then.

    The store only cancels the job in the state that was read. If a newer state has come between, it is read and
    cancelled instead, so that no message is lost. Raises Problem if the job ends otherwise first, or its state changes
    with every try.
    """
    for _ in range(MAX_TRIES):
        if job.kind is JobKind.BATCH:
            outcome = await services.store.batches.cancel(job.job_id)
        elif job.kind is JobKind.PROBE:
            outcome = await services.store.probes.cancel(job)
        else:
            outcome = await services.store.jobs.cancel(job)
        if outcome is Cancelled.CANCELLED:
            services.metrics.cancelled.add(job.status)
            logger.info("job cancelled", extra={"job_id": job.job_id, "owner": job.owner or None, "status": job.status})
        job = await find_job(job.job_id, services, principal)
        if job.status is Status.CANCELLED:
            return job
        if outcome is Cancelled.ENDED:
            raise Problem(
                ProblemCode.JOB_ENDED, "The job ended before it could be cancelled. Read the job to see its result."
            )
    raise Problem(ProblemCode.JOB_BUSY, "Try again in a few seconds.")
