"""DELETE /api/jobs/{job_id}"""

import logging

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from vidferry_api.addresses import public_root
from vidferry_api.models import Job
from vidferry_api.problems import Problem, responses
from vidferry_api.routes.jobs import shown
from vidferry_api.services import JobDep, Services, ServicesDep, known_job
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status
from vidferry_common.store import Cancelled, JobRecord

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/api/jobs/{job_id}", tags=["jobs"])

TRIES = 20
"""A download tells something every few hundred milliseconds, a try takes two round trips to Redis. Where so many are in
vain, nothing is gained by one more."""


@router.delete(
    "",
    operation_id="cancelJob",
    summary="Cancel a job",
    response_model=Job,
    responses=responses(
        ProblemCode.INVALID_HOST,
        ProblemCode.JOB_NOT_FOUND,
        ProblemCode.JOB_ENDED,
        ProblemCode.JOB_BUSY,
        ProblemCode.REDIS_UNAVAILABLE,
    ),
)
async def cancel_job(job: JobDep, request: Request, services: ServicesDep) -> JSONResponse:
    """Ends a job that waits or runs, and answers with it; once more is no different.

    Its download goes on for the other jobs that were attached to it, and stops with the last.
    """
    root = public_root(request, services.settings)
    return JSONResponse(shown(await _cancel(job, services), root))


async def _cancel(job: JobRecord, services: Services) -> JobRecord:
    """The job as it is then. What it told meanwhile is not lost: only the state that was read is ended."""
    for _ in range(TRIES):
        outcome = await services.store.jobs.cancel(job)
        if outcome is Cancelled.CANCELLED:
            services.metrics.cancelled.add(job.status)
            logger.info("job cancelled", extra={"job_id": job.job_id})
        job = await known_job(job.job_id, services)
        if job.status is Status.CANCELLED:
            return job
        if outcome is Cancelled.ENDED:
            raise Problem(ProblemCode.JOB_ENDED, "It ended before it could be cancelled; ask for it to see how.")
    raise Problem(ProblemCode.JOB_BUSY, "Try again in a few seconds.")
