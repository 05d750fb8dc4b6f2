"""The ASGI application on the gateway's port: liveness, readiness, and refusals of everything else."""

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

ALLOWED_METHODS = "GET, HEAD, OPTIONS"


def make_app(gateway: Gateway, admin: AdminServer) -> Starlette:
    """Makes the application. Its lifespan starts and stops the admin port and the gateway."""

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
    """Answers with a problem document where Starlette would answer in plain text."""
    assert isinstance(error, HTTPException)
    path_exists = error.status_code == ProblemCode.METHOD_NOT_ALLOWED.status
    if request.method == "OPTIONS" and (path_exists or request.scope["path"] == "*"):
        return Response(status_code=204, headers={"Allow": ALLOWED_METHODS})
    if not path_exists:
        return ProblemResponse(ProblemCode.NOT_FOUND, NOTHING_HERE)
    return ProblemResponse(ProblemCode.METHOD_NOT_ALLOWED, f"Use {ALLOWED_METHODS}.", {"Allow": ALLOWED_METHODS})
