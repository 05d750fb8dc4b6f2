"""`POST /api/download`, and everything below `/api/jobs/{job_id}`."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from vidferry_api.dependencies import ObjectJobDep, ReadableJobDep, ServicesDep, WritableJobDep, WriterDep
from vidferry_api.http.conditional import IF_NONE_MATCH, is_not_modified, not_modified_response, strong_etag
from vidferry_api.http.content_policy import SANDBOXED
from vidferry_api.http.problems import problem_responses
from vidferry_api.http.public_urls import absolute_url, public_root
from vidferry_api.jobs.cancel import cancel_job
from vidferry_api.jobs.create import JobCreatorDep
from vidferry_api.jobs.document import add_tickets, job_document
from vidferry_api.jobs.file import sign_file_link
from vidferry_api.jobs.openapi import TICKET, TICKET_PROBLEMS, TRACEPARENT, creation_responses
from vidferry_api.jobs.retry import retry_job
from vidferry_api.jobs.schemas import Accepted, DownloadRequest, Job
from vidferry_api.jobs.thumbnail import read_thumbnail
from vidferry_common.contract.errors import ProblemCode

router = APIRouter()

JOB = "/api/jobs/{job_id}"
REVALIDATED = "private, no-cache"
"""a cache may keep it, and must revalidate it each time"""


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
async def post_download(body: DownloadRequest, creator: JobCreatorDep) -> Accepted:
    """Creates a job for the video and answers immediately. `ws_url` and `events_url` send its steps."""
    return await creator.create(body.url, body.format, body.priority, force=body.force)


@router.head(JOB, include_in_schema=False)
@router.get(
    JOB,
    tags=["jobs"],
    operation_id="getJob",
    summary="Get a job",
    response_model=Job,
    responses={
        200: {"headers": {"ETag": {"description": "The ETag of this response.", "schema": {"type": "string"}}}},
        304: {"description": "Nothing has changed since the response whose ETag is in If-None-Match."},
        **problem_responses(ProblemCode.INVALID_HOST, ProblemCode.JOB_NOT_FOUND, ProblemCode.REDIS_UNAVAILABLE),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH]},
)
async def get_job(job: ReadableJobDep, request: Request, services: ServicesDep) -> Response:
    """The fields that the WebSocket sends, with the values of its newest message."""
    document = add_tickets(job_document(job, public_root(request, services.settings)), services.tickets)
    response = JSONResponse(document, headers={"Cache-Control": REVALIDATED})
    response.headers["ETag"] = strong_etag(bytes(response.body))
    return not_modified_response(response.headers) if is_not_modified(request, response.headers["ETag"]) else response


@router.head(f"{JOB}/file", include_in_schema=False)
@router.get(
    f"{JOB}/file",
    tags=["jobs"],
    operation_id="getJobFile",
    summary="Get the file",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {
            "description": "Redirects to a new signed link.",
            "headers": {"Location": {"description": "The signed link.", "schema": {"type": "string", "format": "uri"}}},
        },
        **problem_responses(
            *TICKET_PROBLEMS,
            ProblemCode.JOB_NOT_FOUND,
            ProblemCode.JOB_NOT_ENDED,
            ProblemCode.JOB_FAILED,
            ProblemCode.OBJECT_GONE,
            ProblemCode.REDIS_UNAVAILABLE,
            ProblemCode.STORAGE_UNAVAILABLE,
        ),
    },
    openapi_extra={"parameters": [TICKET]},
)
async def get_job_file(job: ObjectJobDep, request: Request, services: ServicesDep) -> RedirectResponse:
    """Redirects to a new signed link."""
    link = absolute_url(await sign_file_link(job, services), request, services.settings)
    return RedirectResponse(link, headers={"Cache-Control": "no-store"})


@router.head(f"{JOB}/thumbnail", include_in_schema=False)
@router.get(
    f"{JOB}/thumbnail",
    tags=["jobs"],
    operation_id="getJobThumbnail",
    summary="The video's thumbnail",
    response_class=Response,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **problem_responses(
            *TICKET_PROBLEMS,
            ProblemCode.JOB_NOT_FOUND,
            ProblemCode.NO_THUMBNAIL,
            ProblemCode.REDIS_UNAVAILABLE,
            ProblemCode.STORAGE_UNAVAILABLE,
        ),
    },
    openapi_extra={"parameters": [TICKET]},
)
async def get_job_thumbnail(job: ObjectJobDep, request: Request, services: ServicesDep) -> Response:
    """The thumbnail that Vidferry stores beside the file. A page that shows it does not contact the video's site."""
    stored, content = await read_thumbnail(job, services)
    headers = {
        "ETag": f'"{stored.generation}"',
        "Cache-Control": "private, max-age=86400",
        "Content-Security-Policy": SANDBOXED,
    }
    if is_not_modified(request, headers["ETag"]):
        return not_modified_response(headers)
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
async def delete_job(
    job: WritableJobDep, request: Request, services: ServicesDep, principal: WriterDep
) -> JSONResponse:
    """Cancels a job that waits or runs, and answers with the job. Repeating the request has no further effect.

    The download continues if other jobs are attached to it, and stops with the last of them.
    """
    root = public_root(request, services.settings)
    document = job_document(await cancel_job(job, services, principal), root)
    return JSONResponse(add_tickets(document, services.tickets))


@router.post(
    f"{JOB}/retry",
    tags=["jobs"],
    operation_id="retryJob",
    summary="Retry a job",
    status_code=202,
    responses=creation_responses(ProblemCode.JOB_NOT_FOUND, ProblemCode.JOB_NOT_ENDED, ProblemCode.JOB_COMPLETED),
    openapi_extra={"parameters": [TRACEPARENT]},
)
async def post_job_retry(job: WritableJobDep, creator: JobCreatorDep) -> Accepted:
    """Creates a new job like one that failed or was cancelled, and answers as `POST /api/download` does.

    The new job has the same URL, format, priority and force, and names the old one in `retry_of`.
    """
    return await retry_job(job, creator)
