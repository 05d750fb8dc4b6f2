"""ASGI middleware that needs no framework."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems
from vidferry_common.http.host import names_one_host

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class OneHost:
    """Refuses a request whose Host header is missing, is there twice, or names no host (RFC 9112 §3.2)."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not names_one_host(scope["headers"], scope["http_version"]):
            await _refuse_host(send)
        else:
            await self._app(scope, receive, send)


async def _refuse_host(send: Send) -> None:
    code = ProblemCode.INVALID_HOST
    content = orjson.dumps(problems.problem_document(code, problems.INVALID_HOST))
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": code.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
