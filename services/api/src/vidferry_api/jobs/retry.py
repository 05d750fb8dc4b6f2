"""POST /api/jobs/{job_id}/retry"""

from fastapi import APIRouter, Request

from vidferry_api.dependencies import JobDep, ServicesDep
from vidferry_api.http.problems import Problem
from vidferry_api.http.public_urls import job_url, public_root
from vidferry_api.jobs.create import TRACEPARENT, JobCreatorDep, creation_responses
from vidferry_api.jobs.schemas import Accepted
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status

router = APIRouter(prefix="/api/jobs/{job_id}/retry", tags=["jobs"])


@router.post(
    "",
    operation_id="retryJob",
    summary="Try a job again",
    status_code=202,
    responses=creation_responses(ProblemCode.JOB_NOT_FOUND, ProblemCode.JOB_NOT_ENDED, ProblemCode.JOB_COMPLETED),
    openapi_extra={"parameters": [TRACEPARENT]},
)
async def retry_job(job: JobDep, request: Request, services: ServicesDep, creator: JobCreatorDep) -> Accepted:
    """Makes a new job like one that failed or was cancelled, and answers as `POST /api/download` does.

    The new one has the same address, format, priority and force, and names the old one as its `retry_of`.
    """
    if not job.status.terminal:
        raise Problem(ProblemCode.JOB_NOT_ENDED, "It is still being worked on; cancel it first to begin anew.")
    if job.status is Status.COMPLETED:
        file = f"{job_url(public_root(request, services.settings), job.job_id)}/file"
        raise Problem(ProblemCode.JOB_COMPLETED, f"Its file is at {file}; fetch it anew by a download with force.")
    return await creator.create(job.url, job.format, job.priority, force=job.force, retry_of=job.job_id)
