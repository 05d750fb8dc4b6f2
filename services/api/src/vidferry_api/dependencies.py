"""What the routes work with: made once in the app's lifespan, handed to them by FastAPI."""

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
    """What the routes of an api share: its settings, store, bucket and counters."""

    settings: ApiSettings
    store: Store
    bucket: Bucket
    metrics: ApiMetrics
    memory_log: RedisMemoryLog
    ready: bool = False
    """Redis and the bucket have been seen; from then on an outage is answered request by request"""


def _get_services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(_get_services)]
JobId = Annotated[str, Path(description="The job's UUID.")]


async def find_job(job_id: JobId, services: ServicesDep) -> JobRecord:
    """The job of the path as it is now; a malformed id is no job's."""
    try:
        known = await services.store.jobs.read(str(UUID(job_id)))
    except ValueError:
        known = None
    if known is None:
        raise Problem(ProblemCode.JOB_NOT_FOUND, problems.JOB_NOT_FOUND)
    return known


JobDep = Annotated[JobRecord, Depends(find_job)]
