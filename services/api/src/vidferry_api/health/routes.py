"""`GET /healthz` and `GET /readyz`."""

from fastapi import APIRouter

from vidferry_api.access.declared import public
from vidferry_api.dependencies import ServicesDep
from vidferry_api.health.schemas import Health
from vidferry_api.http.problems import Problem, problem_responses
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", operation_id="healthz", summary="Whether the process is alive")
@public
async def get_health() -> Health:
    """Answers 200 as long as the process runs."""
    return Health(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether the api is ready for requests",
    responses=problem_responses(ProblemCode.NOT_READY),
)
@public
async def get_readiness(services: ServicesDep) -> Health:
    """Answers 200 once Redis and the bucket have been reached. A later outage affects all replicas alike, so they stay
    ready and answer the requests that it affects with 503.
    """
    if not services.ready:
        raise Problem(ProblemCode.NOT_READY, problems.NOT_READY)
    return Health(status="ok")
