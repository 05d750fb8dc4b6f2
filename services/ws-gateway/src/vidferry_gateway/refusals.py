"""HTTP refusals of the gateway, and its answers to OPTIONS, in the same form as the api's."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems

NOTHING_HERE = "The gateway serves /ws/download/{job_id}, /ws/downloads and /sse/download/{job_id}."
WEBSOCKET_METHODS = "GET, OPTIONS"
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade, close"}
"""an Upgrade header must be named in Connection (RFC 9110 §7.8)"""
UPGRADE_DETAIL = "Connect with a WebSocket client (RFC 6455), or use the job's events_url with any HTTP client."


class ProblemResponse(Response):
    """A response with a problem document (RFC 9457)."""

    media_type = problems.MEDIA_TYPE

    def __init__(self, code: ProblemCode, detail: str, headers: Mapping[str, str] | None = None) -> None:
        content = orjson.dumps(problems.problem_document(code, detail))
        defaults = {
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        super().__init__(content, code.status, {**defaults, **problems.problem_headers(code, headers)})


async def refuse_without_upgrade(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application at the WebSocket paths, for requests that don't ask for an upgrade."""
    await _answer_without_upgrade(scope)(scope, receive, send)


def _answer_without_upgrade(scope: Scope) -> Response:
    if scope["method"] == "OPTIONS":
        return Response(status_code=204, headers={"Allow": WEBSOCKET_METHODS})
    if scope["method"] not in {"GET", "HEAD"}:
        return ProblemResponse(
            ProblemCode.METHOD_NOT_ALLOWED, "Use GET with an Upgrade header.", {"Allow": WEBSOCKET_METHODS}
        )
    return ProblemResponse(ProblemCode.UPGRADE_REQUIRED, UPGRADE_DETAIL, UPGRADE)
