"""What holds for every request, below the routes: a bound on its body, safe headers, a line in the log."""

import logging
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vidferry_api.problems import Problem, internal
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.trace import trace_id

logger = logging.getLogger("vidferry_api.requests")

MAX_BODY = 64 * 1024
"""bytes"""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
QUIET = frozenset({"/healthz", "/readyz"})


class BodyTooLarge(Exception):
    """Raised within a handler that reads on past the bound."""


class BoundedBody:
    """A body over the bound is refused before it is read, by its length, or while it is, where it has none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            await _too_large(scope, receive, send)
            return
        seen, begun = 0, False

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                raise BodyTooLarge
            return message

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, bounded, noticed)
        except BodyTooLarge:
            if not begun:
                await _too_large(scope, receive, send)


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    problem = Problem(ProblemCode.BODY_TOO_LARGE, f"Send at most {MAX_BODY} bytes.", headers={"Connection": "close"})
    await problem.response()(scope, receive, send)


class SafeHeaders:
    """Headers that browsers obey; a response may set a stricter policy of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", PAGE_POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Requests:
    """Logs each request, by its route and never by its query, and turns what nobody caught into a 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 0

        async def noticed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception:
            logger.exception("a request broke", extra=_facts(scope))
            if status:
                raise
            status = ProblemCode.INTERNAL.status
            await internal()(scope, receive, send)
        finally:
            if scope["path"] not in QUIET:
                ms = round((time.monotonic() - begun) * 1000, 1)
                logger.info("request", extra={**_facts(scope), "status": status, "ms": ms})


def _facts(scope: MutableMapping[str, Any]) -> dict[str, Any]:
    route = scope.get("route")
    header = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
    facts = {"method": scope["method"], "route": getattr(route, "path", "")}
    return {**facts, "trace_id": found} if (found := trace_id(header)) else facts
