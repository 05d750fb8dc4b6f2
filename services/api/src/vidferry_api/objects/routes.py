"""`/api/objects` and everything below, and `GET /files/…`: the target of a folder bucket's signed links.

Signed links to Cloud Storage go there directly.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from vidferry_api.access.declared import public
from vidferry_api.dependencies import AccessFirst, ObjectReaderDep, ServicesDep
from vidferry_api.http.conditional import (
    ETAG,
    IF_MATCH,
    IF_NONE_MATCH,
    NOT_MODIFIED,
    is_not_modified,
    not_modified_response,
)
from vidferry_api.http.content_policy import SANDBOXED
from vidferry_api.http.parameters import THUMBNAIL, TICKET, TICKET_PROBLEMS, URI
from vidferry_api.http.problems import problem_responses
from vidferry_api.http.public_urls import absolute_url, public_root
from vidferry_api.objects.change import change_expiry, delete_object
from vidferry_api.objects.document import object_document
from vidferry_api.objects.file import read_object_thumbnail, sign_object_link
from vidferry_api.objects.file_response import OpenFileResponse
from vidferry_api.objects.find import (
    DeletableObjectDep,
    ObjectFileDep,
    ReadableObjectDep,
    read_object,
)
from vidferry_api.objects.list import list_objects
from vidferry_api.objects.open import open_signed_object
from vidferry_api.objects.schemas import ObjectChanges, ObjectList, ObjectQuery, StoredVideo
from vidferry_api.pictures import picture_response
from vidferry_common.bucket import content_disposition
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.store import ObjectEntry

router = APIRouter(route_class=AccessFirst)

OBJECTS = "/api/objects"
OBJECT = f"{OBJECTS}/{{object_id}}"
UNKNOWN = (
    ProblemCode.OBJECT_NOT_FOUND,
    ProblemCode.OBJECT_GONE,
    ProblemCode.INDEX_INCOMPLETE,
    ProblemCode.REDIS_UNAVAILABLE,
    ProblemCode.STORAGE_UNAVAILABLE,
)
"""refusals of every operation on one object"""


@router.head(OBJECTS, include_in_schema=False)
@router.get(
    OBJECTS,
    tags=["objects"],
    operation_id="listObjects",
    summary="List stored videos",
    response_model=ObjectList,
    responses=problem_responses(
        ProblemCode.INVALID_HOST, ProblemCode.FORBIDDEN, ProblemCode.INVALID_REQUEST, ProblemCode.REDIS_UNAVAILABLE
    ),
)
async def get_objects(
    query: Annotated[ObjectQuery, Query()], request: Request, services: ServicesDep, principal: ObjectReaderDep
) -> JSONResponse:
    """The videos in the bucket that the caller may read, what was stored last first.

    A page may have fewer objects than `page_size`, and even none, while more follow: go on until `next_page_token` is
    empty. The list may name an object that somebody has removed from the bucket; reading that answers with 410.
    """
    page = await list_objects(query, services, principal, public_root(request, services.settings))
    return JSONResponse(page, headers={"Cache-Control": "private, no-store"})


@router.head(OBJECT, include_in_schema=False)
@router.get(
    OBJECT,
    tags=["objects"],
    operation_id="getObject",
    summary="Get a stored video",
    response_model=StoredVideo,
    responses={
        200: {"description": "The object.", "headers": ETAG},
        **problem_responses(ProblemCode.INVALID_HOST, *UNKNOWN),
    },
)
async def get_object(entry: ReadableObjectDep, request: Request, services: ServicesDep) -> JSONResponse:
    """The video as the bucket has it now. The ETag is its `version`, for If-Match."""
    return _answer((await read_object(entry, services)).entry, request, services)


@router.patch(
    OBJECT,
    tags=["objects"],
    operation_id="changeObject",
    summary="Change when a stored video expires",
    response_model=StoredVideo,
    responses={
        200: {"description": "The object as it is now.", "headers": ETAG},
        **problem_responses(
            ProblemCode.INVALID_HOST,
            ProblemCode.INVALID_JSON,
            ProblemCode.BODY_TOO_LARGE,
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.PRECONDITION_FAILED,
            *UNKNOWN,
        ),
    },
    openapi_extra={"parameters": [IF_MATCH]},
)
async def patch_object(
    body: ObjectChanges, entry: DeletableObjectDep, request: Request, services: ServicesDep
) -> JSONResponse:
    """Sets `expires_at`: Vidferry keeps the video until then, and removes it within a minute afterwards, but not within
    15 minutes after it was last handed out or changed.
    """
    found = await change_expiry(entry, body.expires_at, request, services)
    return _answer(found.entry, request, services)


@router.delete(
    OBJECT,
    tags=["objects"],
    operation_id="deleteObject",
    summary="Delete a stored video",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "The object is gone."},
        **problem_responses(ProblemCode.PRECONDITION_FAILED, *UNKNOWN),
    },
    openapi_extra={"parameters": [IF_MATCH]},
)
async def delete_stored_object(entry: DeletableObjectDep, request: Request, services: ServicesDep) -> Response:
    """Removes the file from the bucket, and its thumbnail with the video's last format. Links to the file end.

    A download of the same video that is under way stores it anew.
    """
    await delete_object(entry, request, services)
    return Response(status_code=204)


@router.head(f"{OBJECT}/file", include_in_schema=False)
@router.get(
    f"{OBJECT}/file",
    tags=["objects"],
    operation_id="getObjectFile",
    summary="Get a stored video's file",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {
            "description": "Redirects to a new signed link.",
            "headers": {"Location": {"description": "The signed link.", "schema": URI}},
        },
        **problem_responses(ProblemCode.INVALID_HOST, *TICKET_PROBLEMS, *UNKNOWN),
    },
    openapi_extra={"parameters": [TICKET]},
)
async def get_object_file(entry: ObjectFileDep, request: Request, services: ServicesDep) -> RedirectResponse:
    """Redirects to a new signed link."""
    link = absolute_url(await sign_object_link(entry, services), request, services.settings)
    return RedirectResponse(link, headers={"Cache-Control": "no-store"})


@router.head(f"{OBJECT}/thumbnail", include_in_schema=False)
@router.get(
    f"{OBJECT}/thumbnail",
    tags=["objects"],
    operation_id="getObjectThumbnail",
    summary="A stored video's thumbnail",
    response_class=Response,
    responses={
        200: {"description": "The thumbnail.", "content": THUMBNAIL, "headers": ETAG},
        304: NOT_MODIFIED,
        **problem_responses(*TICKET_PROBLEMS, ProblemCode.NO_THUMBNAIL, *UNKNOWN),
    },
    openapi_extra={"parameters": [IF_NONE_MATCH, TICKET]},
)
async def get_object_thumbnail(entry: ObjectFileDep, request: Request, services: ServicesDep) -> Response:
    """The thumbnail that Vidferry stores beside the file. A page that shows it does not contact the video's site."""
    return picture_response(request, *await read_object_thumbnail(entry, services))


def _answer(entry: ObjectEntry, request: Request, services: ServicesDep) -> JSONResponse:
    document = object_document(entry, public_root(request, services.settings), services.tickets)
    return JSONResponse(document, headers={"Cache-Control": "private, no-store", "ETag": f'"{entry.version}"'})


@router.api_route(
    "/files/{name:path}",
    methods=["GET", "HEAD"],
    tags=["files"],
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
        "ETag": f'"{stored.version}"',
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": SANDBOXED,
    }
    if is_not_modified(request, headers["ETag"]):
        opened.file.close()
        return not_modified_response(headers)
    return OpenFileResponse(opened, headers)
