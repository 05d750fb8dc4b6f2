"""HTTP on the gateway's own port: whether it lives, and whether it is to be sent clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http.asgi import KnownHost
from vidferry_common.metrics import AdminServer
from vidferry_gateway.gateway import Gateway
from vidferry_gateway.refusals import NOTHING_HERE, ProblemResponse

METHODS = "GET, HEAD, OPTIONS"


def make_app(gateway: Gateway, admin: AdminServer) -> Starlette:
    """An application whose lifespan is the gateway's, within the admin port's."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with admin:
            await gateway.start()
            yield
            await gateway.stop()

    async def healthz(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        if gateway.ready:
            return JSONResponse({"status": "ready"})
        detail = "Redis has not been reached since the start, or the gateway is stopping."
        return ProblemResponse(ProblemCode.NOT_READY, detail)

    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz)],
        lifespan=lifespan,
        middleware=[Middleware(KnownHost, hosts=gateway.settings.hosts, proxies=gateway.settings.proxies)],
        exception_handlers={HTTPException: _answer_error},
    )


def _answer_error(request: Request, error: Exception) -> Response:
    """Starlette refuses in plain text."""
    assert isinstance(error, HTTPException)
    known = error.status_code == ProblemCode.METHOD_NOT_ALLOWED.status
    if request.method == "OPTIONS" and (known or request.scope["path"] == "*"):
        return Response(status_code=204, headers={"Allow": METHODS})
    if not known:
        return ProblemResponse(ProblemCode.NOT_FOUND, NOTHING_HERE)
    return ProblemResponse(ProblemCode.METHOD_NOT_ALLOWED, f"Use {METHODS}.", {"Allow": METHODS})
