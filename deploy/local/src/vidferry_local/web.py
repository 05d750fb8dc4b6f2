"""The web server of `make up`: api and gateway in one uvicorn on one port."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI

from vidferry_api.access.keys_file import KeysFileWrong
from vidferry_api.app import create_app
from vidferry_api.main import SERVER_OPTIONS, end_waits, is_ready
from vidferry_api.settings import ApiSettings
from vidferry_common import log, notify
from vidferry_common.bucket import BucketError
from vidferry_common.metrics import AdminServer, PortTaken, Registry, catalogue
from vidferry_common.metrics.catalogue import Service
from vidferry_common.settings import end_with_wrong_setting, load_settings
from vidferry_common.tracing import start_tracing
from vidferry_gateway.gateway import Gateway
from vidferry_gateway.settings import GatewaySettings
from vidferry_gateway.uvicorn.server import DrainingServer

READY_POLL_SECONDS = 0.02


class WebServer(DrainingServer):
    """The server, which notifies the supervisor when it is ready."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        notify.notify_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end_waits(self.config.app)
        await super().shutdown(sockets)


def main() -> None:
    settings = load_settings(ApiSettings)
    log.set_up(settings, "web")
    registry = Registry(Service.API, Service.GATEWAY)
    tracer = start_tracing(settings, "api")
    registry.add_reading(catalogue.SPANS, tracer.count_spans)
    gateway = Gateway(load_settings(GatewaySettings), registry, tracer)
    try:
        app = create_app(settings, registry, tracer)
        admin = AdminServer(settings, registry, lambda: is_ready(app) and gateway.ready)
    except KeysFileWrong as error:
        end_with_wrong_setting("VIDFERRY_ACCESS_KEYS_FILE", str(error))
    except BucketError as error:
        sys.exit(f"VIDFERRY_BUCKET: {error}.")
    except PortTaken as error:
        sys.exit(str(error))
    app.router.lifespan_context = _with_gateway(app, gateway, admin)
    config = uvicorn.Config(app, timeout_graceful_shutdown=5, **SERVER_OPTIONS, **gateway.uvicorn_options)
    listening = [socket.socket(fileno=int(fd)) for fd in os.environ["VIDFERRY_LISTEN_FDS"].split(",")]
    WebServer(config, gateway).run(listening)


def _with_gateway(app: FastAPI, gateway: Gateway, admin: AdminServer) -> Any:
    """The lifespan of the api with the gateway's inside. Requests are served once both have reached Redis."""
    api_lifespan = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[object]:
        async with admin, api_lifespan(app) as state:
            await gateway.start()
            try:
                while not gateway.ready:  # noqa: ASYNC110 - once, at the start
                    await asyncio.sleep(READY_POLL_SECONDS)
                yield state
            finally:
                await gateway.stop()

    return lifespan


if __name__ == "__main__":
    main()
