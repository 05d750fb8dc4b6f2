"""Middleware for every request: CORS, the public URL's path, a bound on the body, security headers, log and metrics."""

import logging
import re
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidferry_api.http.content_policy import DENY_ALL
from vidferry_api.http.problems import BodyTooLarge, Problem, body_problem, internal_problem
from vidferry_api.metrics import ApiMetrics
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.trace import continue_trace, trace_id
from vidferry_common.log import log_fields
from vidferry_common.tracing import Span, SpanKind, Tracer, UntracedSpan, log_ids, recorded_trace

logger = logging.getLogger(__name__)

_JOB_ID = re.compile(r"[0-9A-Fa-f-]{32,36}")

MAX_BODY = 64 * 1024
"""bytes"""
MAX_BODIES = {"/api/batches": 1024**2}
"""the same of the paths that take more"""
PROBE_PATHS = frozenset({"/healthz", "/readyz"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
SERVER_ERROR = 500
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Cors(CORSMiddleware):
    """Starlette's CORS middleware, which here refuses a preflight by a problem document."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:  # noqa: PLR2004 - no error
            return response
        problem = Problem(
            ProblemCode.CORS_REFUSED,
            "Serve the page from an origin in VIDFERRY_CORS_ORIGINS, and send only documented methods and headers.",
            headers={"Vary": response.headers["Vary"]},
        )
        return problem.response()


class StripPrefix:
    """Strips the public URL's path from the request's path, if the proxy has not done so."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] == self._prefix:  # the page's URLs are relative, so they need the slash
                await RedirectResponse(f"{self._prefix}/", 308)(scope, receive, send)
                return
            if scope["path"].startswith(f"{self._prefix}/"):
                scope = {**scope, "path": scope["path"][len(self._prefix) :]}
        await self._app(scope, receive, send)


class BoundedBody:
    """Bounds the body, whatever length it declares. It is read when the app asks for it, which checks access before.

    The app's receive raises BodyTooLarge.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = MAX_BODIES.get(scope["path"], MAX_BODY)
        length = Headers(scope=scope).get("content-length", "0")
        if not (length.isdecimal() and int(length) <= most):
            # The connection stays open, or a client that is still sending would not see the response.
            await body_problem(most).response()(scope, receive, send)
            return
        is_read = False

        async def receive_bounded() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return await _read_body(receive, most)

        await self._app(scope, receive_bounded, send)


async def _read_body(receive: Receive, most: int) -> Message:
    """Reads the whole body into one message; returns a disconnect as it is. Raises BodyTooLarge."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if len(body) > most:
            raise BodyTooLarge(most)
        if not message.get("more_body"):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


class SafeHeaders:
    """Adds security and caching headers. A response may set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", DENY_ALL)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class RequestLog:
    """Logs, traces and counts requests by route, never by query.

    It also sets `request.state.span`, adds the headers in `request.state.rate_limit`, and answers an uncaught
    exception with a 500. The seconds in `request.state.waited`, which the caller asked for, are not in the metric of
    durations.
    """

    def __init__(self, app: ASGIApp, metrics: ApiMetrics, tracer: Tracer, *, trusts_callers: bool) -> None:
        """trusts_callers: whether a request's own traceparent decides that it is recorded."""
        self._app, self._metrics, self._tracer, self._trusts_callers = app, metrics, tracer, trusts_callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        span = self._begin_span(scope, headers)
        scope.setdefault("state", {})["span"] = span
        ids = log_ids(span)
        trace = ids["trace_id"]
        request_id = headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = trace
        with log_fields(**ids, **({"request_id": request_id} if request_id != trace else {})):
            await self._answer(scope, receive, send, span, request_id)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: Span, request_id: str) -> None:
        started, status, trace = time.monotonic(), 0, span.traceparent

        async def send_and_record_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["Traceresponse"] = headers["Traceparent"] = trace
                headers["X-Request-Id"] = request_id
                for name, value in scope["state"].get("rate_limit", {}).items():
                    headers.append(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_and_record_status)
        except Exception as error:
            logger.exception("request failed with an unexpected error", extra=_log_fields(scope))
            span.fail(type(error).__name__)
            if status:
                raise
            await internal_problem(trace_id(trace))(scope, receive, send_and_record_status)
        finally:
            seconds = time.monotonic() - started
            ms = round(seconds * 1000, 1)
            waited = scope["state"].get("waited", 0)
            self._metrics.count_request(scope, status, seconds - waited, recorded_trace(span))
            level = logging.DEBUG if scope["path"] in PROBE_PATHS else logging.INFO
            fields = _log_fields(scope)
            logger.log(level, "request", extra={**fields, "status": status, "ms": ms})
            _end_span(span, scope["method"], fields["route"], status)

    def _begin_span(self, scope: Scope, headers: Headers) -> Span:
        """The span of a request that changes something, or whose caller traces it. Reading alone is in the log."""
        method, parent = scope["method"], headers.get("traceparent", "")
        if self._tracer.enabled and (method not in READING or parent):
            if not self._trusts_callers:
                parent = self._tracer.decide(parent)
            attributes = {"http.request.method": method, "url.scheme": scope["scheme"]}
            span = self._tracer.begin(method, SpanKind.SERVER, parent, attributes)
            if span.recorded:
                return span
            parent = span.traceparent
        return UntracedSpan(continue_trace(parent))


def _end_span(span: Span, method: str, route: str, status: int) -> None:
    span.set({"http.response.status_code": status})
    if route:
        span.rename(f"{method} {route}")
        span.set({"http.route": route})
    if status >= SERVER_ERROR:
        span.fail(str(status))
    span.end()


def _log_fields(scope: MutableMapping[str, Any]) -> dict[str, Any]:
    job_id = str(scope.get("path_params", {}).get("job_id", ""))
    return {
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", ""),
        **({"job_id": job_id.lower()} if _JOB_ID.fullmatch(job_id) else {}),
        **scope["state"].get("access", {}),  # whose request it is, or why it was refused
    }
