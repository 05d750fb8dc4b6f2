"""The dependencies that FastAPI passes to the routes. The lifespan makes `Services` once."""

import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Path, Response
from fastapi.routing import APIRoute
from starlette.requests import Request

from vidferry_api.access.authenticator import Authenticator
from vidferry_api.access.declared import required_scopes, requiring
from vidferry_api.access.principal import TICKET_HOLDER, Principal, Scope
from vidferry_api.access.refused import scope_problem
from vidferry_api.access.request_limiter import RequestLimiter
from vidferry_api.http.problems import Problem
from vidferry_api.metrics import ApiMetrics
from vidferry_api.redis_memory import RedisMemoryLog
from vidferry_api.settings import ApiSettings
from vidferry_common.bucket import Bucket
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.tickets import Purpose, TicketExpired, TicketInvalid, TicketSigner, ticket_in_query
from vidferry_common.http import problems
from vidferry_common.metrics.catalogue import AccessRefusal
from vidferry_common.store import JobChanges, JobRecord, Store


@dataclass(slots=True)
class Services:
    """The services that all routes share: settings, store, bucket, metrics."""

    settings: ApiSettings
    authenticator: Authenticator
    request_limiter: RequestLimiter
    tickets: TicketSigner | None
    """None where access is open"""
    store: Store
    changes: JobChanges
    bucket: Bucket
    metrics: ApiMetrics
    memory_log: RedisMemoryLog
    ready: bool = False
    """whether Redis and the bucket have been reached once; a later outage is answered request by request"""


# Dependencies are coroutines also where they await nothing: FastAPI runs others in a thread, at 50 µs each. Where they
# can, they take the request in place of other dependencies: FastAPI goes through those at each place, at 10 µs each.


def _services_of(request: Request) -> Services:
    return cast("Services", request.app.state.services)


async def _get_services(request: Request) -> Services:
    return _services_of(request)


ServicesDep = Annotated[Services, Depends(_get_services)]
JobId = Annotated[
    str,
    Path(
        description="The job's id. An id of another form gets the answer for an unknown job.",
        examples=["3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a"],
        json_schema_extra={"format": "uuid"},
    ),
]


async def _identify(request: Request) -> Principal:
    """The request's principal. It is found once, and its request counted once, also where AccessFirst has asked."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    services = _services_of(request)
    principal = await services.authenticator.identify(request)
    if principal.limits.requests_per_minute:
        quota = await services.request_limiter.count_request(principal)
        request.state.rate_limit = quota.headers if quota else {}
    request.state.principal = principal
    return principal


def _principal_with(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    async def check_scope(request: Request) -> Principal:
        principal = await _identify(request)
        if not principal.allows(scope):
            _services_of(request).authenticator.note_refusal(request, AccessRefusal.SCOPE)
            raise scope_problem(scope)
        return principal

    return requiring(scope, check_scope)


class AccessFirst(APIRoute):
    """A route that checks access before it reads the body.

    FastAPI checks it afterwards, with all else that a route depends on. Then anybody could have bodies parsed, and
    learn what is wrong with them.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        checks = [_principal_with(scope) for scope in sorted(required_scopes(self))] if self.body_field else []
        if not checks:
            return handle

        async def check_access_and_handle(request: Request) -> Response:
            for check in checks:
                await check(request)
            return await handle(request)

        return check_access_and_handle


ReaderDep = Annotated[Principal, Depends(_principal_with(Scope.JOBS_READ))]
WriterDep = Annotated[Principal, Depends(_principal_with(Scope.JOBS_WRITE))]
ObjectReaderDep = Annotated[Principal, Depends(_principal_with(Scope.OBJECTS_READ))]
ObjectDeleterDep = Annotated[Principal, Depends(_principal_with(Scope.OBJECTS_DELETE))]


async def find_job(job_id: str, services: Services, principal: Principal, *, with_history: bool = False) -> JobRecord:
    """Reads a job. Raises Problem if it does not exist, is another owner's, or the id is malformed."""
    job = await services.store.jobs.read(_normalize_id(job_id), with_history=with_history)
    if job is None or not principal.sees(job.owner):
        raise _job_not_found()
    return job


def _normalize_id(job_id: str) -> str:
    """The job's id as it is stored: UUIDs have several spellings. Raises Problem if it is no UUID."""
    try:
        return str(UUID(job_id))
    except ValueError:
        raise _job_not_found() from None


def _job_not_found() -> Problem:
    return Problem(ProblemCode.JOB_NOT_FOUND, problems.JOB_NOT_FOUND)


async def _find_readable_job(job_id: JobId, request: Request, principal: ReaderDep) -> JobRecord:
    return await find_job(job_id, _services_of(request), principal, with_history=True)


async def _find_writable_job(job_id: JobId, request: Request, principal: WriterDep) -> JobRecord:
    return await find_job(job_id, _services_of(request), principal)


_require_object_scope = _principal_with(Scope.OBJECTS_READ)


async def _identify_object_reader(job_id: JobId, request: Request, services: ServicesDep) -> Principal:
    """The principal that may read the job's file and thumbnail, by its ticket or else by its key or token."""
    return await identify_file_reader(Purpose.READ, lambda: _normalize_id(job_id), request, services)


async def identify_file_reader(
    purpose: Purpose, find_subject: Callable[[], str], request: Request, services: Services
) -> Principal:
    """The principal that may read a file, by its ticket or else by its key or token. The subject is a ticket's.

    A ticket that is given counts alone: one that is wrong is refused also where a key would do, so that what a link
    allows doesn't depend on who follows it.
    """
    ticket = ticket_in_query(request.scope["query_string"].decode("latin-1")) if services.tickets else None
    if services.tickets is None or ticket is None:
        return await _require_object_scope(request)
    try:
        services.tickets.check_job_ticket(ticket, purpose, find_subject(), time.time())
    except TicketExpired:
        raise _ticket_problem(ProblemCode.TICKET_EXPIRED) from None
    except TicketInvalid:
        raise _ticket_problem(ProblemCode.TICKET_INVALID) from None
    return TICKET_HOLDER


def _ticket_problem(code: ProblemCode) -> Problem:
    return Problem(code, problems.TICKET_DETAILS[code], headers=problems.CHALLENGE)


async def _find_job_of_object(
    job_id: JobId,
    services: ServicesDep,
    principal: Annotated[Principal, Depends(requiring(Scope.OBJECTS_READ, _identify_object_reader))],
) -> JobRecord:
    return await find_job(job_id, services, principal)


ReadableJobDep = Annotated[JobRecord, Depends(_find_readable_job)]
"""The job in the path, with its history, for a principal that may read jobs."""
WritableJobDep = Annotated[JobRecord, Depends(_find_writable_job)]
"""The job in the path, for a principal that may cancel and retry jobs."""
ObjectJobDep = Annotated[JobRecord, Depends(_find_job_of_object)]
"""The job in the path, for who may read its file and thumbnail: by a ticket, or by a key or token."""
