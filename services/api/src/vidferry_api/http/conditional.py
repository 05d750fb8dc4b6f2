"""Answers that a client has already (RFC 9110 §13)."""

from collections.abc import Mapping
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the answer that the caller has; where it still holds, the answer is 304.",
    "schema": {"type": "string"},
}


def etag_of(content: bytes) -> str:
    """A strong validator of exactly these bytes, whatever they were made from."""
    return f'"{blake2b(content, digest_size=16).hexdigest()}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this very answer."""
    listed = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in listed.split(","))


def not_modified(headers: Mapping[str, str]) -> Response:
    """304, with what the whole answer would say of its caching."""
    kept = {name: value for name, value in headers.items() if name.lower() in {"etag", "cache-control"}}
    return Response(status_code=304, headers=kept)
