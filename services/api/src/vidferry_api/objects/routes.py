"""`GET /files/…`: the target of a folder bucket's signed links. Signed links to Cloud Storage go there directly."""

from fastapi import APIRouter, Request, Response

from vidferry_api.access.declared import public
from vidferry_api.dependencies import ServicesDep
from vidferry_api.http.conditional import is_not_modified, not_modified_response
from vidferry_api.http.content_policy import SANDBOXED
from vidferry_api.objects.file_response import OpenFileResponse
from vidferry_api.objects.open import open_signed_object
from vidferry_common.bucket import content_disposition

router = APIRouter(tags=["files"])


@router.api_route(
    "/files/{name:path}",
    methods=["GET", "HEAD"],
    summary="A file, by its signed link",
    include_in_schema=False,
)
@public
async def get_signed_file(name: str, request: Request, services: ServicesDep) -> Response:
    """Sends the file, whole or in ranges. Browsers save it under its title."""
    opened = await open_signed_object(name, request.query_params, services)
    stored = opened.stored
    headers = {
        "Content-Disposition": content_disposition(stored.filename),
        "ETag": f'"{stored.generation}"',
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": SANDBOXED,
    }
    if is_not_modified(request, headers["ETag"]):
        opened.file.close()
        return not_modified_response(headers)
    return OpenFileResponse(opened, headers)
