"""Refuses requests at the gateway's paths, which a proxy may send here while no gateway is ready."""

from fastapi import APIRouter

from vidferry_api.access.declared import public
from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode

router = APIRouter(include_in_schema=False)


@router.head("/ws/downloads")
@router.get("/ws/downloads")
@router.head("/ws/download/{job_id}")
@router.get("/ws/download/{job_id}")
@router.head("/sse/download/{job_id}")
@router.get("/sse/download/{job_id}")
@public
async def refuse_watching() -> None:
    """Refuses temporarily: by a 404 clients would take the job for unknown."""
    raise Problem(
        ProblemCode.NOT_READY,
        "No ws-gateway is ready, or a proxy does not route /ws and /sse to it. Try again in a few seconds.",
    )
