"""`GET /api/jobs/{job_id}/deliveries` and `POST …/{event_id}/resend`."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from vidferry_api.dependencies import ReadableJobDep, ServicesDep, WritableJobDep
from vidferry_api.http.problems import problem_responses
from vidferry_api.webhooks.deliveries import read_deliveries, resend_event
from vidferry_api.webhooks.schemas import Deliveries, JobEvent
from vidferry_common.contract.errors import ProblemCode

router = APIRouter()

DELIVERIES = "/api/jobs/{job_id}/deliveries"
NOT_STORED = {"Cache-Control": "private, no-store"}


@router.head(DELIVERIES, include_in_schema=False)
@router.get(
    DELIVERIES,
    tags=["webhooks"],
    operation_id="listDeliveries",
    summary="List the events of a job",
    response_model=Deliveries,
    responses=problem_responses(ProblemCode.JOB_NOT_FOUND, ProblemCode.REDIS_UNAVAILABLE),
)
async def get_deliveries(job: ReadableJobDep, services: ServicesDep) -> JSONResponse:
    """The job's events and what became of them, with the last tries to deliver each."""
    return JSONResponse(await read_deliveries(job, services), headers=NOT_STORED)


@router.post(
    f"{DELIVERIES}/{{event_id}}/resend",
    tags=["webhooks"],
    operation_id="resendEvent",
    summary="Send an event again",
    status_code=202,
    response_model=JobEvent,
    responses=problem_responses(
        ProblemCode.JOB_NOT_FOUND,
        ProblemCode.EVENT_NOT_FOUND,
        ProblemCode.EVENT_WAITING,
        ProblemCode.QUOTA_EXCEEDED,
        ProblemCode.REDIS_FULL,
        ProblemCode.REDIS_UNAVAILABLE,
    ),
)
async def post_resend(
    job: WritableJobDep,
    services: ServicesDep,
    event_id: Annotated[
        str, Path(description="The event's id.", examples=["evt_3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a_7"])
    ],
) -> JSONResponse:
    """Sends an event again that was delivered, given up or not sent, with the same id and the job's document as it is
    now. It is sent also where the receiver has answered 410 before, and enables its URL again if it is accepted.
    """
    return JSONResponse(await resend_event(job, event_id, services), 202, NOT_STORED)
