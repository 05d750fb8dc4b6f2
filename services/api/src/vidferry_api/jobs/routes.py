"""The routes of jobs: `POST /api/download`, and all below `/api/jobs/{job_id}`."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from vidferry_api.dependencies import JobDep, ServicesDep
from vidferry_api.http.conditional import IF_NONE_MATCH, etag_of, is_known, not_modified
from vidferry_api.http.content_policy import INERT
from vidferry_api.http.problems import problem_responses
from vidferry_api.http.public_urls import public_root
from vidferry_api.jobs.cancel import cancel_job
from vidferry_api.jobs.create import JobCreatorDep
from vidferry_api.jobs.document import job_document
from vidferry_api.jobs.file import sign_file_link
from vidferry_api.jobs.openapi import TRACEPARENT, creation_responses
from vidferry_api.jobs.retry import retry_job
from vidferry_api.jobs.schemas import Accepted, DownloadRequest, Job
from vidferry_api.jobs.thumbnail import read_thumbnail
from vidferry_common.contract.errors import ProblemCode

router = APIRouter()

JOB = "/api/jobs/{job_id}"
REVALIDATED = "private, no-cache"
"""a cache may keep it, and asks each time whether it still holds"""


@router.post(
    "/api/download",
    tags=["downloads"],
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
async def post_download(order: DownloadRequest, creator: JobCreatorDep) -> Accepted:
    """Makes a job for the video and answers at once. Its steps are sent by `ws_url` and `events_url`."""
    return await creator.create(order.url, order.format, order.priority, force=order.force)


@router.head(JOB, include_in_schema=False)
@router.get(
    JOB,
    tags=["jobs"],
    operation_id="getJob",
    summary="A job as it is now",
    response_model=Job,
    responses={
        200: {"headers": {"ETag": {"description": "Of this very answer.", "schema": {"type": "string"}}}},
        304: {"description": "Nothing has changed since the answer whose ETag the request names (If-None-Match)."},
        **problem_responses(ProblemCode.INVALID_HOST, ProblemCode.JOB_NOT_FOUND, ProblemCode.REDIS_UNAVAILABLE),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH]},
)
async def get_job(job: JobDep, request: Request, services: ServicesDep) -> Response:
    """The same facts that the WebSocket sends, as of its newest message."""
    document = job_document(job, public_root(request, services.settings))
    answer = JSONResponse(document, headers={"Cache-Control": REVALIDATED})
    answer.headers["ETag"] = etag_of(bytes(answer.body))
    return not_modified(answer.headers) if is_known(request, answer.headers["ETag"]) else answer


@router.head(f"{JOB}/file", include_in_schema=False)
@router.get(
    f"{JOB}/file",
    tags=["jobs"],
    operation_id="getJobFile",
    summary="The file",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {
            "description": "To a fresh signed link.",
            "headers": {"Location": {"description": "The link.", "schema": {"type": "string", "format": "uri"}}},
        },
        **problem_responses(
            ProblemCode.JOB_NOT_FOUND,
            ProblemCode.JOB_NOT_ENDED,
            ProblemCode.JOB_FAILED,
            ProblemCode.OBJECT_GONE,
            ProblemCode.REDIS_UNAVAILABLE,
            ProblemCode.STORAGE_UNAVAILABLE,
        ),
    },
)
async def get_job_file(job: JobDep, request: Request, services: ServicesDep) -> RedirectResponse:
    """Redirects to a signed link that was just made."""
    link = await sign_file_link(job, services)
    url = public_root(request, services.settings) + link if link.startswith("/") else link
    return RedirectResponse(url, headers={"Cache-Control": "no-store"})


@router.head(f"{JOB}/thumbnail", include_in_schema=False)
@router.get(
    f"{JOB}/thumbnail",
    tags=["jobs"],
    operation_id="getJobThumbnail",
    summary="The video's picture",
    response_class=Response,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **problem_responses(
            ProblemCode.JOB_NOT_FOUND,
            ProblemCode.NO_THUMBNAIL,
            ProblemCode.REDIS_UNAVAILABLE,
            ProblemCode.STORAGE_UNAVAILABLE,
        ),
    },
)
async def get_job_thumbnail(job: JobDep, request: Request, services: ServicesDep) -> Response:
    """As Vidferry keeps it beside the file: a page that shows it tells the video's site nothing."""
    stored, content = await read_thumbnail(job, services)
    headers = {
        "ETag": f'"{stored.generation}"',
        "Cache-Control": "private, max-age=86400",
        "Content-Security-Policy": INERT,
    }
    if is_known(request, headers["ETag"]):
        return not_modified(headers)
    return Response(content, media_type=stored.content_type, headers=headers)


@router.delete(
    JOB,
    tags=["jobs"],
    operation_id="cancelJob",
    summary="Cancel a job",
    response_model=Job,
    responses=problem_responses(
        ProblemCode.INVALID_HOST,
        ProblemCode.JOB_NOT_FOUND,
        ProblemCode.JOB_ENDED,
        ProblemCode.JOB_BUSY,
        ProblemCode.REDIS_UNAVAILABLE,
    ),
)
async def delete_job(job: JobDep, request: Request, services: ServicesDep) -> JSONResponse:
    """Ends a job that waits or runs, and answers with it; once more is no different.

    Its download goes on for the other jobs that were attached to it, and stops with the last.
    """
    root = public_root(request, services.settings)
    return JSONResponse(job_document(await cancel_job(job, services), root))


@router.post(
    f"{JOB}/retry",
    tags=["jobs"],
    operation_id="retryJob",
    summary="Try a job again",
    status_code=202,
    responses=creation_responses(ProblemCode.JOB_NOT_FOUND, ProblemCode.JOB_NOT_ENDED, ProblemCode.JOB_COMPLETED),
    openapi_extra={"parameters": [TRACEPARENT]},
)
async def post_job_retry(job: JobDep, creator: JobCreatorDep) -> Accepted:
    """Makes a new job like one that failed or was cancelled, and answers as `POST /api/download` does.

    The new one has the same address, format, priority and force, and names the old one as its `retry_of`.
    """
    return await retry_job(job, creator)
