"""GET /files/…: where a folder's signed links lead. Links to Cloud Storage lead there."""

from fastapi import APIRouter, Request, Response

from vidferry_api.dependencies import ServicesDep
from vidferry_api.http.conditional import is_known, not_modified
from vidferry_api.http.content_policy import INERT
from vidferry_api.objects.file_response import OpenFileResponse
from vidferry_api.objects.open import open_signed
from vidferry_common.bucket import content_disposition

router = APIRouter(tags=["files"])


@router.api_route(
    "/files/{name:path}",
    methods=["GET", "HEAD"],
    summary="A file, by its signed link",
    include_in_schema=False,
)
async def get_signed_file(name: str, request: Request, services: ServicesDep) -> Response:
    """Range requests are served; the file is saved under its title."""
    opened = await open_signed(name, request.query_params, services)
    stored = opened.stored
    headers = {
        "Content-Disposition": content_disposition(stored.filename),
        "ETag": f'"{stored.generation}"',
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": INERT,
    }
    if is_known(request, headers["ETag"]):
        opened.file.close()
        return not_modified(headers)
    return OpenFileResponse(opened, headers)
