"""Problem documents (RFC 9457). Every error response of the api is one, and only this module makes them."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from vidferry_common.bucket import BucketError
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.field_types import Uri
from vidferry_common.http.problems import MEDIA_TYPE, problem_document, problem_headers
from vidferry_common.http.request_bounds import METHODS
from vidferry_common.store import (
    CallerOverRate,
    IdempotencyMismatch,
    QueueFull,
    Quota,
    QuotaExceeded,
    RedisFull,
    StoreUnavailable,
    TooManyListeners,
)
from vidferry_common.store.jobs import MINUTE

logger = logging.getLogger(__name__)

MAX_FIELD_NAME = 64
"""characters of a field's name that are repeated in the response"""
UNAVAILABLE, TOO_MANY = 503, 429
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "integer", "minimum": 1, "examples": [5]},
    }
}
RATE_LIMIT_HEADERS = {
    "RateLimit": {
        "description": "Remaining requests (`r`): of the `caller`, with the seconds until all are available again "
        "(`t`); and of an API `key` with a limit, with the seconds until one more is.",
        "schema": {"type": "string", "examples": ['"caller";r=599;t=1']},
    },
    "RateLimit-Policy": {
        "description": "How many requests (`q`) a caller, or an API key, may send in a window of seconds (`w`).",
        "schema": {"type": "string", "examples": ['"caller";q=600;w=60']},
    },
}
_HEADERS: dict[int, dict[str, Any]] = {UNAVAILABLE: RETRY_AFTER, TOO_MANY: {**RETRY_AFTER, **RATE_LIMIT_HEADERS}}
EXPECTED_BODY = 'Send a JSON object such as {"url": "https://example.org/video"}.'
EXPECTED_BATCH = 'Send a JSON object such as {"urls": ["https://example.org/video"]}.'
EXPECTED_CHANGE = 'Send a JSON object such as {"expires_at": "2027-01-31T09:30:00Z"} or {"expires_at": null}.'
EXPECTED_CHOICE = 'Send a JSON object such as {"job_ids": ["3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a"]} or {"filter": {}}.'


class FieldProblem(BaseModel):
    """An error in one field."""

    field: str = Field(description="The path of the field in the body, separated by dots.", examples=["format.quality"])
    message: str = Field(description="What is wrong with it.", examples=["this field is required"])


class ProblemDocument(BaseModel):
    """A problem document (RFC 9457). `code` is for programs, `detail` for people."""

    type: Uri = Field(description="A URI that identifies the code.", examples=["urn:vidferry:problem:job_not_found"])
    title: str = Field(
        description="A summary that is the same for every problem with this code.", examples=["No job has this id"]
    )
    status: int = Field(description="The HTTP status.", ge=400, le=599, examples=[404])
    detail: str = Field(description="A sentence for people that says what to do.", examples=["Check the id."])
    code: ProblemCode = Field(description="The stable code. `docs/errors.md` lists all.")
    errors: list[FieldProblem] | None = Field(
        None, description="The fields that are wrong, at most 20; left out where the problem is not about fields."
    )


class Problem(Exception):
    """An exception that becomes a problem document as the response."""

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.errors = code, detail, errors
        self.headers = problem_headers(code, headers)

    def response(self) -> JSONResponse:
        return ProblemResponse(self)


class ProblemResponse(JSONResponse):
    """A problem document. Its code is in `request.state.problem` once it is sent, for the metrics."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem) -> None:
        body = problem_document(problem.code, problem.detail, problem.errors)
        super().__init__(body, problem.code.status, problem.headers)
        self._code = problem.code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["problem"] = self._code
        await super().__call__(scope, receive, send)


class BodyTooLarge(HTTPException):
    """A body of more bytes than its path takes. FastAPI passes on no other exception where it reads a body."""

    def __init__(self, most: int) -> None:
        super().__init__(ProblemCode.BODY_TOO_LARGE.status)
        self.most = most


def body_problem(most: int) -> Problem:
    """The response to a body that is too large."""
    return Problem(ProblemCode.BODY_TOO_LARGE, f"Send at most {most} bytes.")


def problem_responses(*codes: ProblemCode) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of these error responses."""
    return {
        code.status: {
            "description": "; ".join(f"`{each}`: {each.summary}" for each in codes if each.status == code.status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
            **({"headers": _HEADERS[code.status]} if code.status in _HEADERS else {}),
        }
        for code in codes
    }


def install_error_handlers(app: FastAPI) -> None:
    """Has every exception of the app answered with a problem document."""
    app.add_exception_handler(Problem, lambda _, error: cast("Problem", error).response())
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(BodyTooLarge, lambda _, error: body_problem(cast("BodyTooLarge", error).most).response())
    app.add_exception_handler(StoreUnavailable, _answer_redis_unavailable)
    app.add_exception_handler(QueueFull, _answer_queue_full)
    app.add_exception_handler(RedisFull, _answer_redis_full)
    app.add_exception_handler(CallerOverRate, _answer_over_rate)
    app.add_exception_handler(TooManyListeners, _answer_too_many_waits)
    app.add_exception_handler(QuotaExceeded, _answer_quota_exceeded)
    app.add_exception_handler(IdempotencyMismatch, _answer_mismatch)
    app.add_exception_handler(BucketError, _answer_bucket_error)


def internal_problem(trace_id: str) -> JSONResponse:
    """The response to an uncaught exception, which the log has under the trace id."""
    return Problem(
        ProblemCode.INTERNAL, f"Try again. If the error stays, tell the operator the trace id {trace_id}."
    ).response()


def _answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    invalid = cast("RequestValidationError", error).errors()
    in_body = any(item["loc"][:1] == ("body",) for item in invalid)
    if in_body and not _declares_json(request):
        return Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the header Content-Type: application/json.").response()
    if any(item["type"] == "json_invalid" for item in invalid):
        return Problem(ProblemCode.INVALID_JSON, _expected_body(request)).response()
    errors = [{"field": _field_path(item), "message": _field_message(item)} for item in invalid]
    code = ProblemCode.INVALID_URL if {item["field"] for item in errors} == {"url"} else ProblemCode.INVALID_REQUEST
    return Problem(code, _detail_of(request, invalid, errors), errors=errors[:20]).response()


def _expected_body(request: Request) -> str:
    """An example of the body that the path takes."""
    if request.url.path.endswith("/batches"):
        return EXPECTED_BATCH
    if "/objects/" in request.url.path:
        return EXPECTED_CHANGE
    return EXPECTED_CHOICE if request.url.path.endswith((":cancel", ":retry")) else EXPECTED_BODY


def _detail_of(request: Request, invalid: Sequence[Any], errors: list[dict[str, str]]) -> str:
    only = [(each["field"], item["type"]) for each, item in zip(errors, invalid, strict=True)]
    if only in ([("url", "value_error")], [("body", "value_error")]):
        # A whole sentence: of vidferry_common/urls.py, shown beside the field, or a model's.
        message = errors[0]["message"]
        return f"{message[:1].upper()}{message[1:]}."
    if errors[0]["field"] == "body":
        return _expected_body(request)
    return " ".join(f"{each['field']}: {each['message']}." for each in errors[:5])


def _declares_json(request: Request) -> bool:
    kind, _, subtype = request.headers.get("content-type", "").partition(";")[0].strip().lower().partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def _field_path(item: Mapping[str, Any]) -> str:
    """The field's path. Names are shortened: an unknown field's name is the caller's own."""
    return ".".join(str(part)[:MAX_FIELD_NAME] for part in item["loc"][1:]) or "body"


def _field_message(item: Mapping[str, Any]) -> str:
    """Pydantic's message without its prefix. It must not contain what the caller sent."""
    if item["type"] == "extra_forbidden":
        return "unknown field; remove it"
    if item["type"] == "missing":
        return "this field is required"
    return str(item["msg"]).removeprefix("Value error, ").rstrip(".")


def _answer_http_error(request: Request, error: Exception) -> Response:
    http_error = cast("HTTPException", error)
    if http_error.status_code == ProblemCode.METHOD_NOT_ALLOWED.status:
        allowed = ", ".join(_allowed_methods(request, (http_error.headers or {}).get("Allow", "")))
        if request.method == "OPTIONS" and not _is_preflight(request):
            return Response(status_code=204, headers={"Allow": allowed})
        return Problem(ProblemCode.METHOD_NOT_ALLOWED, f"Use {allowed}.", headers={"Allow": allowed}).response()
    if http_error.status_code == ProblemCode.INVALID_JSON.status:  # nested too deeply, or not UTF-8
        return Problem(ProblemCode.INVALID_JSON, _expected_body(request)).response()
    if http_error.status_code == ProblemCode.NOT_FOUND.status:
        if (request.method, request.scope["path"]) == ("OPTIONS", "*"):  # about the server (RFC 9110 §9.3.7)
            return Response(status_code=204, headers={"Allow": METHODS})
        return Problem(ProblemCode.NOT_FOUND, "See /openapi.json for the available paths.").response()
    return Problem(ProblemCode.INVALID_REQUEST, "See /openapi.json for what the request must contain.").response()


def _allowed_methods(request: Request, allowed_by_route: str) -> list[str]:
    """All methods of the path. Starlette's Allow has those of one route, and each method has a route of its own."""
    methods = {"OPTIONS", *filter(None, allowed_by_route.split(", "))}
    for route in request.app.state.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods)


def _is_preflight(request: Request) -> bool:
    """Whether it is a CORS preflight (Fetch §3.2.2). The CORS middleware has answered those of allowed origins."""
    return "origin" in request.headers and "access-control-request-method" in request.headers


def _answer_redis_unavailable(request: Request, error: Exception) -> JSONResponse:
    logger.warning("Redis is away", extra={"error": str(error)})
    advice = ", with the same Idempotency-Key to avoid a second job" if request.method == "POST" else ""
    return Problem(ProblemCode.REDIS_UNAVAILABLE, f"Try again in a few seconds{advice}.").response()


def _answer_queue_full(_: Request, __: Exception) -> JSONResponse:
    return Problem(
        ProblemCode.QUEUE_FULL, "Try again when some downloads have finished.", headers={"Retry-After": "30"}
    ).response()


def _answer_redis_full(_: Request, __: Exception) -> JSONResponse:
    return Problem(
        ProblemCode.REDIS_FULL, "Try again when some downloads have finished.", headers={"Retry-After": "30"}
    ).response()


def _answer_over_rate(_: Request, error: Exception) -> JSONResponse:
    quota = cast("CallerOverRate", error).quota
    headers = {"Retry-After": str(quota.retry_after), **rate_limit_headers(quota)}
    detail = f"Send at most {quota.rate} requests per minute. Try again in {quota.retry_after} s."
    return Problem(ProblemCode.TOO_MANY_REQUESTS, detail, headers=headers).response()


def _answer_too_many_waits(_: Request, __: Exception) -> JSONResponse:
    return Problem(
        ProblemCode.TOO_MANY_WAITS, "Read the job without `wait`, or try again later.", headers={"Retry-After": "5"}
    ).response()


QUOTA_DETAILS = {
    "jobs_waiting": "At most {most} jobs of this owner may wait at the same time. Try again when some have started.",
    "probes_waiting": "At most {most} probes of one caller may wait or run at once. Try again in a few seconds.",
    "events_waiting": "Too many events wait for the receivers of webhooks. Have your receiver accept what it is sent, "
    "or create the job without a webhook.",
    "bytes_per_day": "This owner's downloads have used their {most} bytes of today. Try again after midnight UTC.",
}


def _answer_quota_exceeded(_: Request, error: Exception) -> JSONResponse:
    quota = cast("QuotaExceeded", error)
    detail = QUOTA_DETAILS[quota.limit].format(most=quota.most)
    return Problem(ProblemCode.QUOTA_EXCEEDED, detail, headers={"Retry-After": str(quota.retry_after)}).response()


def rate_limit_headers(quota: Quota) -> dict[str, str]:
    """The headers of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (10th version)."""
    return {
        "RateLimit-Policy": f'"caller";q={quota.rate};w={MINUTE}',
        "RateLimit": f'"caller";r={quota.remaining};t={math.ceil(min(quota.spent, MINUTE))}',
    }


def _answer_mismatch(_: Request, __: Exception) -> JSONResponse:
    return Problem(ProblemCode.IDEMPOTENCY_MISMATCH, "Use a new Idempotency-Key for each different request.").response()


def _answer_bucket_error(_: Request, error: Exception) -> JSONResponse:
    logger.error("the bucket can't be used", extra={"error": str(error)})
    return Problem(ProblemCode.STORAGE_UNAVAILABLE, "Try again in a few seconds.").response()
