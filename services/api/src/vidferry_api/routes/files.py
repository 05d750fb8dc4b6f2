"""GET /files/…: where a folder's signed links lead. Links to Cloud Storage lead there."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from vidferry_api.problems import Problem
from vidferry_api.routes.jobs import INERT
from vidferry_api.services import ServicesDep
from vidferry_common.bucket import (
    FolderBucket,
    LinkExpired,
    LinkInvalid,
    ObjectNotFound,
    OpenedObject,
    content_disposition,
)
from vidferry_common.contract.errors import ProblemCode

router = APIRouter(tags=["files"])

NEW_LINK = "Ask for a new link at /api/jobs/{job_id}/file."


class OpenFileResponse(FileResponse):
    """An open file, with Range; closed when it is sent, or when the client is gone."""

    def __init__(self, opened: OpenedObject, headers: dict[str, str]) -> None:
        # By its descriptor and not its name: it stays readable when the object is replaced meanwhile.
        super().__init__(f"/dev/fd/{opened.file.fileno()}", headers=headers, media_type=opened.stored.content_type)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._opened.file.close()


@router.api_route(
    "/files/{name:path}",
    methods=["GET", "HEAD"],
    summary="A file, by its signed link",
    include_in_schema=False,
)
async def get_signed_file(name: str, request: Request, services: ServicesDep) -> Response:
    """Range requests are served; the file is saved under its title."""
    if not isinstance(services.bucket, FolderBucket):
        raise Problem(ProblemCode.NOT_FOUND, "See /openapi.json for what there is.")
    try:
        opened = await services.bucket.resolve(name, request.query_params)
    except LinkExpired:
        raise Problem(ProblemCode.LINK_EXPIRED, NEW_LINK) from None
    except LinkInvalid:
        raise Problem(ProblemCode.LINK_INVALID, NEW_LINK) from None
    except ObjectNotFound:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket, or replaced. " + NEW_LINK
        ) from None
    headers = {
        "Content-Disposition": content_disposition(opened.stored.filename),
        "ETag": f'"{opened.stored.generation}"',
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": INERT,
    }
    return OpenFileResponse(opened, headers)
