"""GET /files/…: where a folder's signed links lead. Links to Cloud Storage lead there."""

import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from vidferry_api.dependencies import ServicesDep
from vidferry_api.http.conditional import is_known, not_modified
from vidferry_api.http.problems import Problem
from vidferry_api.jobs.routes import INERT
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

NEW_LINK = "Ask for a new link at the job's file_url."
_RANGE = re.compile(r"bytes\s*=\s*(?:\d+-\d*|-\d+)(?:\s*,\s*(?:\d+-\d*|-\d+))*\s*", re.IGNORECASE)


class OpenFileResponse(FileResponse):
    """An open file, with Range; closed when it is sent, or when the client is gone."""

    def __init__(self, opened: OpenedObject, headers: dict[str, str]) -> None:
        # By its descriptor and not its name: it stays readable when the object is replaced meanwhile.
        super().__init__(f"/dev/fd/{opened.file.fileno()}", headers=headers, media_type=opened.stored.content_type)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def checked(message: Message) -> None:
            """Starlette refuses a range that is not there in plain text."""
            nonlocal refused
            refused = refused or (message["type"] == "http.response.start" and message["status"] >= 400)  # noqa: PLR2004
            if not refused:
                await send(message)

        try:
            await super().__call__(_drop_unreadable_range(scope), receive, checked)
        finally:
            self._opened.file.close()
        if refused:
            await _range_problem(self._opened.stored.size).response()(scope, receive, send)


def _drop_unreadable_range(scope: Scope) -> Scope:
    """A Range that can't be read counts as none, and so does that of a HEAD (RFC 9110 §14.2)."""
    if scope["method"] == "GET" and _RANGE.fullmatch(Headers(scope=scope).get("range", "")):
        return scope
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"range"]}


def _range_problem(size: int) -> Problem:
    return Problem(
        ProblemCode.RANGE_NOT_SATISFIABLE,
        f"Ask for bytes from 0 to {size - 1}, or leave out the Range header.",
        headers={"Content-Range": f"bytes */{size}"},
    )


@router.api_route(
    "/files/{name:path}",
    methods=["GET", "HEAD"],
    summary="A file, by its signed link",
    include_in_schema=False,
)
async def get_signed_file(name: str, request: Request, services: ServicesDep) -> Response:
    """Range requests are served; the file is saved under its title."""
    opened = await _open_object(name, request, services)
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


async def _open_object(name: str, request: Request, services: ServicesDep) -> OpenedObject:
    if not isinstance(services.bucket, FolderBucket):
        raise Problem(ProblemCode.NOT_FOUND, "See /openapi.json for what there is.")
    try:
        return await services.bucket.resolve(name, request.query_params)
    except LinkExpired:
        raise Problem(ProblemCode.LINK_EXPIRED, NEW_LINK) from None
    except LinkInvalid:
        raise Problem(ProblemCode.LINK_INVALID, NEW_LINK) from None
    except ObjectNotFound:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket, or replaced. " + NEW_LINK
        ) from None
