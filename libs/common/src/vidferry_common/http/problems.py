"""Problem documents (RFC 9457): the one form in which api and gateway refuse a request."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from vidferry_common.contract.errors import ProblemCode

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
"""what a client that is refused for now is told to wait"""

# Details that both services send.
JOB_NOT_FOUND = (
    "Check the id. A job's record is deleted some days after the job ended; its file may still be in the bucket."
)
INVALID_HOST = "Send one Host header with the host and port that you connect to."
UNKNOWN_HOST = (
    "Use a host name that Vidferry knows. Its operator can add host names with VIDFERRY_ALLOWED_HOSTS, or the "
    "public URL with VIDFERRY_PUBLIC_URL."
)
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="vidferry"'}
"""A 401 names a way to authenticate (RFC 9110 §15.5.2)."""
TICKET_DETAILS = {
    ProblemCode.TICKET_INVALID: "Use the whole link as the job's document has it, or an API key.",
    ProblemCode.TICKET_EXPIRED: "Read the job again: its links have new tickets.",
}
HOST_DETAILS = {ProblemCode.INVALID_HOST: INVALID_HOST, ProblemCode.UNKNOWN_HOST: UNKNOWN_HOST}
NOT_READY = "Redis or the bucket has not been reached since the start. The log says which one."


def problem_document(code: ProblemCode, detail: str, errors: Sequence[Any] | None = None) -> dict[str, Any]:
    """The document's members; detail says what to do, for a person."""
    document: dict[str, Any] = {
        "type": f"urn:vidferry:problem:{code}",
        "title": code.summary,
        "status": code.status,
        "detail": detail,
        "code": code.value,
    }
    return {**document, "errors": errors} if errors else document


def problem_headers(code: ProblemCode, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers that go with it; a client that is refused for now is told for how long."""
    retry = {"Retry-After": str(RETRY_SECONDS)} if code.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return {**retry, **(headers or {})}


def problem_bytes(
    code: ProblemCode, detail: str, headers: Mapping[str, str] | None = None, *, body: bool = True
) -> bytes:
    """The whole response of a connection that is closed after it; without a body where HEAD was asked."""
    content = orjson.dumps(problem_document(code, detail))
    fields = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(content)), **problem_headers(code, headers)}
    return response_head(code.status, fields) + (content if body else b"")


def response_head(status: int, headers: Mapping[str, str]) -> bytes:
    """A response's status line and headers. Without a length the end of the connection is the end of the body."""
    fields = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Connection": "close",
        **headers,
    }
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
