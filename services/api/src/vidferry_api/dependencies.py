"""The dependencies that FastAPI passes to the routes. The lifespan makes `Services` once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Path
from starlette.requests import Request

from vidferry_api.access.authenticator import Authenticator
from vidferry_api.access.principal import Principal, Scope
from vidferry_api.access.request_limiter import RequestLimiter
from vidferry_api.http.problems import Problem
from vidferry_api.metrics import ApiMetrics
from vidferry_api.redis_memory import RedisMemoryLog
from vidferry_api.settings import ApiSettings
from vidferry_common.bucket import Bucket
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.tickets import TicketSigner
from vidferry_common.http import problems
from vidferry_common.store import JobRecord, Store


@dataclass(slots=True)
class Services:
    """The services that all routes share: settings, store, bucket, metrics."""

    settings: ApiSettings
    authenticator: Authenticator
    request_limiter: RequestLimiter
    tickets: TicketSigner | None
    """None where access is open"""
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


async def _identify(request: Request, services: ServicesDep) -> Principal:
    principal = await services.authenticator.identify(request)
    if principal.limits.requests_per_minute:
        quota = await services.request_limiter.count_request(principal)
        request.state.rate_limit = quota.headers if quota else {}
    return principal


PrincipalDep = Annotated[Principal, Depends(_identify)]


def _principal_with(scope: Scope) -> Callable[[Principal], Principal]:
    def check_scope(principal: PrincipalDep) -> Principal:
        if not principal.allows(scope):
            raise Problem(ProblemCode.FORBIDDEN, f"Use an API key or token with the scope {scope}.")
        return principal

    return check_scope


ReaderDep = Annotated[Principal, Depends(_principal_with(Scope.JOBS_READ))]
WriterDep = Annotated[Principal, Depends(_principal_with(Scope.JOBS_WRITE))]
ObjectReaderDep = Annotated[Principal, Depends(_principal_with(Scope.OBJECTS_READ))]


async def find_job(job_id: str, services: Services, principal: Principal) -> JobRecord:
    """Reads a job. Raises Problem if it does not exist, is another owner's, or the id is malformed."""
    try:
        job = await services.store.jobs.read(str(UUID(job_id)))
    except ValueError:
        job = None
    if job is None or not principal.sees(job.owner):
        raise Problem(ProblemCode.JOB_NOT_FOUND, problems.JOB_NOT_FOUND)
    return job


async def _find_readable_job(job_id: JobId, services: ServicesDep, principal: ReaderDep) -> JobRecord:
    return await find_job(job_id, services, principal)


async def _find_writable_job(job_id: JobId, services: ServicesDep, principal: WriterDep) -> JobRecord:
    return await find_job(job_id, services, principal)


async def _find_job_of_object(job_id: JobId, services: ServicesDep, principal: ObjectReaderDep) -> JobRecord:
    return await find_job(job_id, services, principal)


ReadableJobDep = Annotated[JobRecord, Depends(_find_readable_job)]
"""The job in the path, for a principal that may read jobs."""
WritableJobDep = Annotated[JobRecord, Depends(_find_writable_job)]
"""The job in the path, for a principal that may cancel and retry jobs."""
ObjectJobDep = Annotated[JobRecord, Depends(_find_job_of_object)]
"""The job in the path, for a principal that may read its file and thumbnail."""
