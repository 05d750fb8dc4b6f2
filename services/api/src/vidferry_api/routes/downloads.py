"""POST /api/download"""

import logging
import re
import secrets
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Header, Request, Response

from vidferry_api.addresses import events_address, job_address, public_root, socket_address
from vidferry_api.models import Accepted, DownloadRequest
from vidferry_api.problems import Problem, responses
from vidferry_api.services import ServicesDep
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.trace import trace_id
from vidferry_common.store import NewJob

logger = logging.getLogger(__name__)
router = APIRouter(tags=["downloads"])

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@router.post(
    "/api/download",
    operation_id="createDownload",
    summary="Fetch a video",
    status_code=202,
    responses={
        202: {
            "description": "The job is on the queue, or attached to a download of the same video that runs already.",
            "headers": {
                "Location": {"description": "The job.", "schema": {"type": "string"}},
                "Idempotency-Replayed": {
                    "description": "`true` where the job was made by an earlier request with the same key.",
                    "schema": {"type": "string"},
                },
            },
        },
        **responses(
            ProblemCode.INVALID_JSON,
            ProblemCode.INVALID_HOST,
            ProblemCode.BODY_TOO_LARGE,
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.INVALID_URL,
            ProblemCode.IDEMPOTENCY_MISMATCH,
            ProblemCode.QUEUE_FULL,
            ProblemCode.REDIS_UNAVAILABLE,
        ),
    },
    openapi_extra={
        "parameters": [
            {
                "name": "traceparent",
                "in": "header",
                "description": "W3C trace context; the job goes on in that trace, else in a new one.",
                "schema": {"type": "string"},
            }
        ]
    },
)
async def create_download(
    order: DownloadRequest,
    request: Request,
    response: Response,
    services: ServicesDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Makes a repeated request answer with the same job for 24 hours. "
            "1 to 255 visible ASCII characters."
        ),
    ] = None,
) -> Accepted:
    """Makes a job for the video and answers at once. Its steps are sent by `ws_url` and `events_url`."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise Problem(ProblemCode.INVALID_REQUEST, "An Idempotency-Key is 1 to 255 visible ASCII characters.")
    root = public_root(request, services.settings)
    job = NewJob(
        job_id=str(uuid4()),
        download_id=str(uuid4()),
        epoch=secrets.token_hex(4),
        url=order.url,
        format=order.format,
        root=root,
        traceparent=request.state.traceparent,
        idempotency_key=idempotency_key or "",
    )
    created = await services.store.create(job, services.settings.queue_cap)
    trace = trace_id(job.traceparent)
    logger.info("job accepted", extra={"job_id": created.job_id, "replayed": created.replayed, "trace_id": trace})
    services.metrics.accepted.add(created.outcome)
    if created.status is None:
        raise Problem(ProblemCode.JOB_NOT_FOUND, "The job of this Idempotency-Key has expired. Use a new key.")
    response.headers["Location"] = job_address(root, created.job_id)
    if created.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return Accepted(
        job_id=created.job_id,
        status=created.status,
        status_url=job_address(root, created.job_id),
        ws_url=socket_address(root, created.job_id),
        events_url=events_address(root, created.job_id),
    )
