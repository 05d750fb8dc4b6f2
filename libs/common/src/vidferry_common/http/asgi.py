"""ASGI middleware that needs no framework."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems
from vidferry_common.http.known_hosts import KnownHosts
from vidferry_common.proxies import Proxies

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class KnownHost:
    """Middleware that refuses a request that names no host, several, or one that is not known."""

    def __init__(self, app: App, hosts: KnownHosts, proxies: Proxies) -> None:
        self._app, self._hosts, self._proxies = app, hosts, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = host_refusal(scope, self._hosts, self._proxies) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            scope.setdefault("state", {})["problem"] = refusal
            await _refuse_host(refusal, send)


def host_refusal(scope: Scope, hosts: KnownHosts, proxies: Proxies) -> ProblemCode | None:
    """Why a request is refused for its host; None where it is not."""
    reached, peer = str((scope.get("server") or ("",))[0]), (scope.get("client") or ("",))[0]
    return hosts.find_refusal(scope["headers"], scope["http_version"], reached, by_proxy=proxies.trusted(peer))


async def _refuse_host(code: ProblemCode, send: Send) -> None:
    content = orjson.dumps(problems.problem_document(code, problems.HOST_DETAILS[code]))
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": code.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
