"""`POST /api/batches`. What follows is asked of the batch as of any job, below `/api/jobs/{job_id}`."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from vidferry_api.batches.schemas import BatchRequest
from vidferry_api.dependencies import AccessFirst
from vidferry_api.jobs.create import JobCreatorDep, JobRequest
from vidferry_api.jobs.openapi import TRACEPARENT, creation_responses
from vidferry_api.jobs.schemas import Job
from vidferry_common.contract.batches import Entry, PlaylistRequest
from vidferry_common.contract.errors import ProblemCode

router = APIRouter(route_class=AccessFirst)


@router.post(
    "/api/batches",
    tags=["batches"],
    operation_id="createBatch",
    summary="Fetch many videos",
    status_code=202,
    response_model=Job,
    responses=creation_responses(
        ProblemCode.INVALID_JSON,
        ProblemCode.BODY_TOO_LARGE,
        ProblemCode.UNSUPPORTED_MEDIA_TYPE,
        description="The batch was created.",
    ),
    openapi_extra={"parameters": [TRACEPARENT]},
)
async def post_batch(body: BatchRequest, creator: JobCreatorDep) -> JSONResponse:
    """Creates a batch and answers immediately with it. A worker makes a job of each video; `batch.counts` tells how
    many wait, run and have ended, and `batch.children_url` lists them.

    The body may have 1 MiB.
    """
    webhook, url = body.webhook.request_fields() if body.webhook else None, body.playlist or ""
    asked = JobRequest(
        url, body.format, body.priority, body.force, body.external_id, body.metadata, webhook, body.credential or ""
    )
    return creator.describe(await creator.create_batch(asked, _source_of(body)))


def _source_of(body: BatchRequest) -> list[Entry] | PlaylistRequest:
    if body.playlist is not None:
        return PlaylistRequest(body.playlist, body.items or "", body.limit, body.newest_first)
    return [Entry(url) for url in body.urls or ()]
