"""GET /api/jobs/{job_id}, its file and its picture."""

import logging
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from vidferry_api.addresses import events_address, public_root, socket_address
from vidferry_api.conditional import IF_NONE_MATCH, etag_of, is_known, not_modified
from vidferry_api.models import Job
from vidferry_api.problems import Problem, responses
from vidferry_api.services import JobDep, Services, ServicesDep
from vidferry_common.bucket import Bucket, BucketError, ObjectNotFound, StorageDenied, StorageUnavailable, StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status
from vidferry_common.store import JobRecord

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/api/jobs/{job_id}", tags=["jobs"])

MAX_PICTURE = 5 * 1024**2
PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
REVALIDATED = "private, no-cache"
"""a cache may keep it, and asks each time whether it still holds"""
INERT = "default-src 'none'; sandbox"
"""the policy of what strangers made: it is shown or saved, and nothing in it runs"""


@router.head("", include_in_schema=False)
@router.get(
    "",
    operation_id="getJob",
    summary="A job as it is now",
    response_model=Job,
    responses={
        200: {"headers": {"ETag": {"description": "Of this very answer.", "schema": {"type": "string"}}}},
        304: {"description": "Nothing has changed since the answer whose ETag the request names (If-None-Match)."},
        **responses(ProblemCode.INVALID_HOST, ProblemCode.JOB_NOT_FOUND, ProblemCode.REDIS_UNAVAILABLE),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH]},
)
async def get_job(job: JobDep, request: Request, services: ServicesDep) -> Response:
    """The same facts that the WebSocket sends, as of its newest message."""
    answer = JSONResponse(shown(job, public_root(request, services.settings)), headers={"Cache-Control": REVALIDATED})
    answer.headers["ETag"] = etag_of(bytes(answer.body))
    return not_modified(answer.headers) if is_known(request, answer.headers["ETag"]) else answer


def shown(job: JobRecord, root: str) -> dict[str, Any]:
    """A job as callers see it; root is the public one.

    As it is stored, and not through the model: during an update the worker may be of a newer release than the api.
    """
    return {
        **job.state,
        "url": job.url,
        "format": job.format.model_dump(mode="json"),
        "priority": job.priority,
        "force": job.force,
        "retry_of": job.retry_of,
        "created_at": job.created,
        "ws_url": socket_address(root, job.job_id),
        "events_url": events_address(root, job.job_id),
        "cursor": job.cursor,
    }


@router.head("/file", include_in_schema=False)
@router.get(
    "/file",
    operation_id="getJobFile",
    summary="The file",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {
            "description": "To a fresh signed link.",
            "headers": {"Location": {"description": "The link.", "schema": {"type": "string", "format": "uri"}}},
        },
        **responses(
            ProblemCode.JOB_NOT_FOUND,
            ProblemCode.JOB_NOT_ENDED,
            ProblemCode.JOB_FAILED,
            ProblemCode.OBJECT_GONE,
            ProblemCode.REDIS_UNAVAILABLE,
            ProblemCode.STORAGE_UNAVAILABLE,
        ),
    },
)
async def get_file(job: JobDep, request: Request, services: ServicesDep) -> RedirectResponse:
    """Redirects to a signed link that was just made."""
    if not job.status.terminal:
        raise Problem(ProblemCode.JOB_NOT_ENDED, "Wait for the job's end: follow its ws_url, or ask for it again.")
    if job.status is not Status.COMPLETED:
        raise Problem(ProblemCode.JOB_FAILED, "The job's error says why; make a new job to try again.")
    stored = await _handed_out(services, job.object) if job.object else None
    if stored is None:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket. Make a new job to fetch it again."
        )
    is_the_result = job.generation == str(stored.generation)
    filename = _filename(job) if is_the_result else ""  # what replaced it may be of another kind
    link = await services.bucket.sign(stored, services.settings.link_lifetime, filename)
    url = public_root(request, services.settings) + link.url if link.url.startswith("/") else link.url
    return RedirectResponse(url, headers={"Cache-Control": "no-store"})


def _filename(job: JobRecord) -> str:
    """What the job's result calls its file."""
    return str((job.state.get("result") or {}).get("filename") or "")


async def _handed_out(services: Services, name: str) -> StoredObject | None:
    """The object, which retention then leaves alone until its link was followed; None where it is gone."""
    return await services.bucket.stat(name) if await services.store.objects.pin(name) else None


@router.head("/thumbnail", include_in_schema=False)
@router.get(
    "/thumbnail",
    operation_id="getJobThumbnail",
    summary="The video's picture",
    response_class=Response,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **responses(
            ProblemCode.JOB_NOT_FOUND,
            ProblemCode.NO_THUMBNAIL,
            ProblemCode.REDIS_UNAVAILABLE,
            ProblemCode.STORAGE_UNAVAILABLE,
        ),
    },
)
async def get_thumbnail(job: JobDep, request: Request, services: ServicesDep) -> Response:
    """As Vidferry keeps it beside the file: a page that shows it tells the video's site nothing."""
    name = job.thumbnail
    if job.download_id:
        download = await services.store.downloads.read(job.download_id)
        name = download.thumbnail if download else ""
    picture = await _picture(services.bucket, name) if name else None
    if picture is None:
        raise Problem(ProblemCode.NO_THUMBNAIL, "There is none yet, or the video has none.")
    stored, content = picture
    headers = {
        "ETag": f'"{stored.generation}"',
        "Cache-Control": "private, max-age=86400",
        "Content-Security-Policy": INERT,
    }
    if is_known(request, headers["ETag"]):
        return not_modified(headers)
    return Response(content, media_type=stored.content_type, headers=headers)


async def _picture(bucket: Bucket, name: str) -> tuple[StoredObject, bytes] | None:
    """The picture and its bytes; None where it is gone, too large to serve from memory, or no picture."""
    try:
        stored, content = await bucket.read(name, MAX_PICTURE)
    except (StorageDenied, StorageUnavailable):
        raise
    except ObjectNotFound:
        return None
    except BucketError as error:
        logger.warning("a picture can't be served", extra={"error": str(error)})
        return None
    return (stored, content) if stored.content_type in PICTURES else None
