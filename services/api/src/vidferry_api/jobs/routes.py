"""`POST /api/download`, the lists of `/api/jobs`, everything below `/api/jobs/{job_id}`, and the messages' schema."""

from functools import cache
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from vidferry_api.access.declared import public
from vidferry_api.dependencies import (
    AccessFirst,
    ObjectJobDep,
    ReadableJobDep,
    ReaderDep,
    ServicesDep,
    WritableJobDep,
    WriterDep,
)
from vidferry_api.http.conditional import (
    ETAG,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    is_not_modified,
    not_modified_response,
    strong_etag,
)
from vidferry_api.http.json_response import FastJSONResponse
from vidferry_api.http.parameters import THUMBNAIL, TICKET, TICKET_PROBLEMS, URI
from vidferry_api.http.problems import problem_responses
from vidferry_api.http.public_urls import absolute_url, public_root
from vidferry_api.jobs.bulk import BulkRequest, BulkResult, cancel_jobs, retry_jobs
from vidferry_api.jobs.cancel import cancel_job
from vidferry_api.jobs.create import JobCreatorDep, JobRequest
from vidferry_api.jobs.document import add_tickets, job_document, job_document_with_history
from vidferry_api.jobs.file import sign_file_link
from vidferry_api.jobs.list import JobList, ListQuery, list_jobs
from vidferry_api.jobs.messages import MEDIA_TYPE, messages_schema
from vidferry_api.jobs.openapi import TRACEPARENT, creation_responses
from vidferry_api.jobs.retry import retry_job
from vidferry_api.jobs.schemas import DownloadRequest, Job, JobWithHistory
from vidferry_api.jobs.thumbnail import read_thumbnail
from vidferry_api.jobs.wait import WaitSeconds, status_etag, wait_for_change
from vidferry_api.pictures import picture_response
from vidferry_common.contract.errors import ProblemCode

router = APIRouter(route_class=AccessFirst)

JOBS = "/api/jobs"
JOB = f"{JOBS}/{{job_id}}"
REVALIDATED = "private, no-cache"
"""a cache may keep it, and must revalidate it each time"""
BULK_REFUSALS = (
    ProblemCode.INVALID_HOST,
    ProblemCode.INVALID_JSON,
    ProblemCode.FORBIDDEN,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.INVALID_REQUEST,
    ProblemCode.REDIS_UNAVAILABLE,
)


@router.post(
    "/api/download",
    tags=["downloads"],
    operation_id="createDownload",
    summary="Fetch a video",
    status_code=202,
    response_model=Job,
    responses=creation_responses(
        ProblemCode.INVALID_JSON,
        ProblemCode.BODY_TOO_LARGE,
        ProblemCode.UNSUPPORTED_MEDIA_TYPE,
        ProblemCode.INVALID_URL,
    ),
    openapi_extra={"parameters": [TRACEPARENT]},
)
async def post_download(body: DownloadRequest, creator: JobCreatorDep) -> JSONResponse:
    """Creates a job for the video and answers immediately with it. `ws_url` and `events_url` send its steps."""
    webhook = body.webhook.request_fields() if body.webhook else None
    asked = JobRequest(
        body.url,
        body.format,
        body.priority,
        body.force,
        body.external_id,
        body.metadata,
        webhook,
        body.credential or "",
    )
    return creator.describe(await creator.create(asked))


@router.head(JOBS, include_in_schema=False)
@router.get(
    JOBS,
    tags=["jobs"],
    operation_id="listJobs",
    summary="List jobs",
    response_model=JobList,
    responses=problem_responses(
        ProblemCode.INVALID_HOST, ProblemCode.FORBIDDEN, ProblemCode.INVALID_REQUEST, ProblemCode.REDIS_UNAVAILABLE
    ),
)
async def get_jobs(
    query: Annotated[ListQuery, Query()], request: Request, services: ServicesDep, principal: ReaderDep
) -> JSONResponse:
    """The caller's jobs, the newest first. Jobs that come meanwhile change nothing on the pages that follow.

    A page may have fewer jobs than `page_size`, and even none, while more follow: go on until `next_page_token` is
    empty.
    """
    page = await list_jobs(query, services, principal, public_root(request, services.settings))
    return FastJSONResponse(page, headers={"Cache-Control": "private, no-store"})


@router.post(
    f"{JOBS}:cancel",
    tags=["jobs"],
    operation_id="cancelJobs",
    summary="Cancel many jobs",
    response_model=BulkResult,
    responses=problem_responses(*BULK_REFUSALS),
)
async def post_jobs_cancel(body: BulkRequest, services: ServicesDep, principal: WriterDep) -> JSONResponse:
    """Cancels up to 200 jobs, named by their ids or chosen by a filter. Repeating the request is harmless.

    Batches of more than 5,000 jobs together are left to further requests.
    """
    return JSONResponse(await cancel_jobs(body, services, principal))


@router.post(
    f"{JOBS}:retry",
    tags=["jobs"],
    operation_id="retryJobs",
    summary="Retry many jobs",
    response_model=BulkResult,
    responses=problem_responses(
        *BULK_REFUSALS,
        ProblemCode.TOO_MANY_REQUESTS,
        ProblemCode.QUOTA_EXCEEDED,
        ProblemCode.QUEUE_FULL,
        ProblemCode.REDIS_FULL,
    ),
)
async def post_jobs_retry(
    body: BulkRequest, services: ServicesDep, principal: WriterDep, creator: JobCreatorDep
) -> JSONResponse:
    """Retries up to 200 jobs that failed or were cancelled, named by their ids or chosen by a filter.

    A filter that chooses a batch leaves the batch's jobs to its retry. Batches of more than 5,000 jobs together are
    left to further requests. Send an Idempotency-Key, so that a repeated request retries no job twice.
    """
    return JSONResponse(await retry_jobs(body, services, principal, creator))


@router.head(JOB, include_in_schema=False)
@router.get(
    JOB,
    tags=["jobs"],
    operation_id="getJob",
    summary="Get a job",
    response_model=JobWithHistory,
    responses={
        200: {"description": "The job.", "headers": ETAG},
        304: NOT_MODIFIED,
        **problem_responses(
            ProblemCode.INVALID_REQUEST,
            ProblemCode.JOB_NOT_FOUND,
            ProblemCode.TOO_MANY_WAITS,
            ProblemCode.REDIS_UNAVAILABLE,
        ),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH]},
)
async def get_job(
    job: ReadableJobDep, request: Request, services: ServicesDep, principal: ReaderDep, wait: WaitSeconds = 0
) -> Response:
    """The fields that the WebSocket sends, with the values of its newest message, and the job's steps so far."""
    if wait and request.method == "GET":
        job = await wait_for_change(job, wait, request, services, principal)
    document = add_tickets(job_document_with_history(job, public_root(request, services.settings)), services.tickets)
    response = FastJSONResponse(document, headers={"Cache-Control": REVALIDATED})
    response.headers["ETag"] = status_etag(job.state["status"], strong_etag(bytes(response.body)))
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
            "headers": {"Location": {"description": "The signed link.", "schema": URI}},
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
        200: {"description": "The thumbnail.", "content": THUMBNAIL, "headers": ETAG},
        304: NOT_MODIFIED,
        **problem_responses(
            *TICKET_PROBLEMS,
            ProblemCode.JOB_NOT_FOUND,
            ProblemCode.NO_THUMBNAIL,
            ProblemCode.REDIS_UNAVAILABLE,
            ProblemCode.STORAGE_UNAVAILABLE,
        ),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH, TICKET]},
)
async def get_job_thumbnail(job: ObjectJobDep, request: Request, services: ServicesDep) -> Response:
    """The thumbnail that Vidferry stores beside the file. A page that shows it does not contact the video's site."""
    return picture_response(request, *await read_thumbnail(job, services))


@router.delete(
    JOB,
    tags=["jobs"],
    operation_id="cancelJob",
    summary="Cancel a job",
    response_model=Job,
    response_description="The cancelled job.",
    responses=problem_responses(
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
    response_model=Job,
    responses=creation_responses(ProblemCode.JOB_NOT_ENDED, ProblemCode.JOB_COMPLETED, ProblemCode.INVALID_URL),
    openapi_extra={"parameters": [TRACEPARENT]},
)
async def post_job_retry(job: WritableJobDep, creator: JobCreatorDep) -> JSONResponse:
    """Creates a new job like one that failed or was cancelled, and answers as `POST /api/download` does.

    The new job has the same URL, format, priority, force, external id, metadata and webhook, and names the old one in
    `retry_of`.
    """
    return creator.describe(await retry_job(job, creator))


@router.head("/api/schema/messages.json", include_in_schema=False)
@router.get(
    "/api/schema/messages.json",
    tags=["messages"],
    operation_id="getMessagesSchema",
    summary="The JSON Schema of the messages",
    response_class=Response,
    responses={
        200: {"description": "The schema.", "content": {MEDIA_TYPE: {"schema": {"type": "object"}}}, "headers": ETAG},
        304: NOT_MODIFIED,
    },
    openapi_extra={"parameters": [IF_NONE_MATCH]},
)
@public
async def get_messages_schema(request: Request) -> Response:
    """Describes the messages that WebSockets and event streams send, and those that clients send."""
    content, etag = _messages_schema()
    headers = {"ETag": etag, "Cache-Control": REVALIDATED}
    if is_not_modified(request, etag):
        return not_modified_response(headers)
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


@cache
def _messages_schema() -> tuple[bytes, str]:
    content = orjson.dumps(messages_schema())
    return content, strong_etag(content)
