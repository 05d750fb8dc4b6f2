"""POST /api/download"""

from fastapi import APIRouter

from vidferry_api.jobs.create import TRACEPARENT, JobCreatorDep, creation_responses
from vidferry_api.jobs.schemas import Accepted, DownloadRequest
from vidferry_common.contract.errors import ProblemCode

router = APIRouter(tags=["downloads"])


@router.post(
    "/api/download",
    operation_id="createDownload",
    summary="Fetch a video",
    status_code=202,
    responses=creation_responses(
        ProblemCode.INVALID_JSON,
        ProblemCode.BODY_TOO_LARGE,
        ProblemCode.UNSUPPORTED_MEDIA_TYPE,
        ProblemCode.INVALID_URL,
    ),
    openapi_extra={"parameters": [TRACEPARENT]},
)
async def create_download(order: DownloadRequest, creator: JobCreatorDep) -> Accepted:
    """Makes a job for the video and answers at once. Its steps are sent by `ws_url` and `events_url`."""
    return await creator.create(order.url, order.format, order.priority, force=order.force)
