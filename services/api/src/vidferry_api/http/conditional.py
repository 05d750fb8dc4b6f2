"""Conditional requests: ETags, If-None-Match and 304 (RFC 9110 §13)."""

from collections.abc import Mapping
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the response that the caller has. If it is still current, the response is 304.",
    "schema": {"type": "string", "examples": ['"5f1c0b8e6a3d49c2b7f4e1a09d8c6b35"']},
}
ETAG = {
    "ETag": {
        "description": "The ETag of this response, for If-None-Match. It is weak where the response is compressed.",
        "schema": {"type": "string", "examples": ['"5f1c0b8e6a3d49c2b7f4e1a09d8c6b35"']},
    }
}
NOT_MODIFIED = {"description": "The caller has the current response: its ETag is in If-None-Match.", "headers": ETAG}
"""the description of a 304"""


IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of the object that the caller has read, or its `version` in quotes. If the object has "
    "changed since, the response is 412 and nothing happens.",
    "schema": {"type": "string", "examples": ['"5f1c0b8e6a3d49c2b7f4"']},
}


def strong_etag(content: bytes) -> str:
    """A strong ETag: a digest of the content."""
    return f'"{blake2b(content, digest_size=16).hexdigest()}"'


def is_not_modified(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this ETag, so that the client has the current response."""
    return any(tag in {etag, "*"} for tag in listed_etags(request))


def listed_etags(request: Request) -> list[str]:
    """The ETags in If-None-Match, without the mark of weak ones."""
    listed = request.headers.get("if-none-match", "")
    return [tag.strip().removeprefix("W/") for tag in listed.split(",")]


def may_change(request: Request, etag: str) -> bool:
    """Whether If-Match is left out, or names this ETag. The mark of a weak one is ignored: a compression adds it."""
    given = request.headers.get("if-match")
    if given is None:
        return True
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in given.split(","))


def not_modified_response(headers: Mapping[str, str]) -> Response:
    """A 304 with the caching headers of the full response."""
    caching = {name: value for name, value in headers.items() if name.lower() in {"etag", "cache-control"}}
    return Response(status_code=304, headers=caching)
