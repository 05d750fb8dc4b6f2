"""The dependencies that FastAPI passes to the routes. The lifespan makes `Services` once."""

from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Path
from starlette.requests import Request

from vidferry_api.http.problems import Problem
from vidferry_api.metrics import ApiMetrics
from vidferry_api.redis_memory import RedisMemoryLog
from vidferry_api.settings import ApiSettings
from vidferry_common.bucket import Bucket
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems
from vidferry_common.store import JobRecord, Store


@dataclass(slots=True)
class Services:
    """The services that all routes share: settings, store, bucket, metrics."""

    settings: ApiSettings
    store: Store
    bucket: Bucket
    metrics: ApiMetrics
    memory_log: RedisMemoryLog
    ready: bool = False
    """whether Redis and the bucket have been reached once; a later outage is answered request by request"""


def _get_services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(_get_services)]
JobId = Annotated[str, Path(description="The job's UUID.")]


async def find_job(job_id: JobId, services: ServicesDep) -> JobRecord:
    """Reads the job in the path. Raises Problem if it does not exist, or the id is malformed."""
    try:
        job = await services.store.jobs.read(str(UUID(job_id)))
    except ValueError:
        job = None
    if job is None:
        raise Problem(ProblemCode.JOB_NOT_FOUND, problems.JOB_NOT_FOUND)
    return job


JobDep = Annotated[JobRecord, Depends(find_job)]
