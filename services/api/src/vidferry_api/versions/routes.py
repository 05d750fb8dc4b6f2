"""`GET /api/version`: which versions run."""

from fastapi import APIRouter, Response

from vidferry_api.dependencies import ReaderDep, ServicesDep
from vidferry_api.http.problems import problem_responses
from vidferry_api.versions.document import describe_versions
from vidferry_api.versions.schemas import RunningVersions
from vidferry_common.contract.errors import ProblemCode

router = APIRouter()


@router.head("/api/version", include_in_schema=False)
@router.get(
    "/api/version",
    tags=["versions"],
    operation_id="getVersion",
    summary="Which versions run",
    responses=problem_responses(ProblemCode.INVALID_HOST, ProblemCode.REDIS_UNAVAILABLE),
)
async def get_version(services: ServicesDep, _: ReaderDep, response: Response) -> RunningVersions:
    """The versions of Vidferry, and of yt-dlp, yt-dlp-ejs, deno and ffmpeg on the workers.

    A worker reports what it runs at its start, each minute, and when it switches to another yt-dlp. A report counts for
    three minutes.
    """
    response.headers["Cache-Control"] = "private, no-store"
    bundles = services.store.bundles
    return describe_versions(await bundles.current(), await bundles.held(), await bundles.reports())
