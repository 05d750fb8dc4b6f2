"""The gateway's paths, where a proxy sends them here: it does while no gateway is ready."""

from fastapi import APIRouter

from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode

router = APIRouter(include_in_schema=False)


@router.head("/ws/downloads")
@router.get("/ws/downloads")
@router.head("/ws/download/{job_id}")
@router.get("/ws/download/{job_id}")
@router.head("/sse/download/{job_id}")
@router.get("/sse/download/{job_id}")
async def refuse_watching() -> None:
    """A refusal for now, where a 404 would tell a client that there is no such job."""
    raise Problem(
        ProblemCode.NOT_READY,
        "No ws-gateway is ready, or a proxy does not route /ws and /sse to it. Try again in a few seconds.",
    )
