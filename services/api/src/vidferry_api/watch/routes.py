"""Refuses requests at the gateway's paths, which a proxy may send here while no gateway is ready."""

from fastapi import APIRouter, Request

from vidferry_api.access.declared import public
from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems

router = APIRouter(include_in_schema=False)


@router.head("/ws/downloads")
@router.get("/ws/downloads")
@router.head("/ws/download/{job_id}")
@router.get("/ws/download/{job_id}")
@public
async def refuse_socket(request: Request) -> None:
    """Refuses as the gateway would where no WebSocket is asked for, and temporarily where one is."""
    if not _asks_for_socket(request):
        raise Problem(ProblemCode.UPGRADE_REQUIRED, problems.UPGRADE_REQUIRED, headers=problems.UPGRADE)
    raise _not_ready()


@router.head("/sse/download/{job_id}")  # noqa: FAST003 - no job is looked for
@router.get("/sse/download/{job_id}")
@public
async def refuse_watching() -> None:
    """Refuses temporarily: by a 404 clients would take the job for unknown."""
    raise _not_ready()


def _asks_for_socket(request: Request) -> bool:
    """By headers that are left of a handshake: the server, or a proxy, has dropped those of the connection."""
    return "sec-websocket-key" in request.headers or "upgrade" in request.headers.get("connection", "").lower()


def _not_ready() -> Problem:
    return Problem(
        ProblemCode.NOT_READY,
        "No ws-gateway is ready, or a proxy does not route /ws and /sse to it. Try again in a few seconds.",
    )
