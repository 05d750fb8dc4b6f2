"""HTTP on the gateway's own port: whether it lives, and whether it may be sent clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from vidferry_common.metrics import AdminServer
from vidferry_gateway.gateway import Gateway


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

    async def readyz(_: Request) -> JSONResponse:
        if gateway.ready:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, status_code=503)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz)], lifespan=lifespan)
