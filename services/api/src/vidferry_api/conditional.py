"""Answers that a client has already (RFC 9110 §13)."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response


def is_known(request: Request, etag: str) -> bool:
    """Whether If-None-Match names this very answer."""
    listed = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in listed.split(","))


def not_modified(headers: Mapping[str, str]) -> Response:
    """304, with what the whole answer would say of its caching."""
    return Response(status_code=304, headers={k: v for k, v in headers.items() if k in {"ETag", "Cache-Control"}})
