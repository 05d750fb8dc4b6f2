"""Liveness and readiness."""

from fastapi import APIRouter

from vidferry_api.dependencies import ServicesDep
from vidferry_api.health.schemas import Health
from vidferry_api.http.problems import Problem, problem_responses
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems

router = APIRouter(tags=["health"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", operation_id="healthz", summary="Whether the process answers")
async def get_health() -> Health:
    """Always, while the process lives."""
    return Health(status="ok")


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether requests are served",
    responses=problem_responses(ProblemCode.NOT_READY),
)
async def get_readiness(services: ServicesDep) -> Health:
    """Once Redis and the bucket have been seen. A later outage of theirs, which all replicas share, is told by 503s."""
    if not services.ready:
        raise Problem(ProblemCode.NOT_READY, problems.NOT_READY)
    return Health(status="ok")
