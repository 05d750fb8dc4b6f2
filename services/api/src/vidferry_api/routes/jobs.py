"""GET /api/jobs/{job_id}, its file and its picture."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from vidferry_api.addresses import public_root, socket_address
from vidferry_api.models import Job
from vidferry_api.problems import Problem, responses
from vidferry_api.services import JobDep, ServicesDep
from vidferry_common.bucket import ObjectNotFound
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status
from vidferry_common.store.records import OBJECT, THUMBNAIL

router = APIRouter(prefix="/api/jobs/{job_id}", tags=["jobs"])

MAX_PICTURE = 5 * 1024**2
PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
INERT = "default-src 'none'; sandbox"
"""the policy of what strangers made: it is shown or saved, and nothing in it runs"""


@router.get(
    "",
    operation_id="getJob",
    summary="A job as it is now",
    response_model_exclude_unset=True,
    responses=responses(ProblemCode.JOB_NOT_FOUND, ProblemCode.REDIS_UNAVAILABLE),
)
async def get_job(job: JobDep, request: Request, services: ServicesDep) -> Job:
    """The same facts that the WebSocket sends, as of its newest message."""
    root = public_root(request, services.settings)
    return Job.model_validate(
        {
            **job.state,
            "url": job.url,
            "format": job.format,
            "created_at": job.created,
            "ws_url": socket_address(root, job.job_id),
            "cursor": job.cursor,
        }
    )


@router.get(
    "/file",
    operation_id="getJobFile",
    summary="The file",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {"description": "To a fresh signed link."},
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
    name = (await services.store.download(job.download_id)).get(OBJECT)
    stored = await services.bucket.stat(name.decode()) if name else None
    if stored is None:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket. Make a new job to fetch it again."
        )
    link = await services.bucket.sign(stored, services.settings.link_lifetime)
    url = public_root(request, services.settings) + link.url if link.url.startswith("/") else link.url
    return RedirectResponse(url, headers={"Cache-Control": "no-store"})


@router.get(
    "/thumbnail",
    operation_id="getJobThumbnail",
    summary="The video's picture",
    response_class=Response,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **responses(ProblemCode.JOB_NOT_FOUND, ProblemCode.NO_THUMBNAIL, ProblemCode.STORAGE_UNAVAILABLE),
    },
)
async def get_thumbnail(job: JobDep, services: ServicesDep) -> Response:
    """As Vidferry keeps it beside the file: a page that shows it tells the video's site nothing."""
    missing = Problem(ProblemCode.NO_THUMBNAIL, "There is none yet, or the video has none.")
    name = (await services.store.download(job.download_id)).get(THUMBNAIL)
    if not name:
        raise missing
    try:
        stored, content = await services.bucket.read(name.decode(), MAX_PICTURE)
    except ObjectNotFound:
        raise missing from None
    if stored.content_type not in PICTURES:
        raise missing
    headers = {"Cache-Control": "private, max-age=86400", "Content-Security-Policy": INERT}
    return Response(content, media_type=stored.content_type, headers=headers)
