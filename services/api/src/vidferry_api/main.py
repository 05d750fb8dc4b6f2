"""Starts the api: `python -m vidferry_api`."""

import contextlib
import resource
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI

from vidferry_api.access.keys_file import KeysFileWrong
from vidferry_api.app import create_app
from vidferry_api.dependencies import Services
from vidferry_api.http.protocol import ApiProtocol
from vidferry_api.settings import ApiSettings
from vidferry_common import log
from vidferry_common.bucket import BucketError
from vidferry_common.bucket.settings import require_signing_key
from vidferry_common.metrics import AdminServer, PortTaken, Registry, catalogue
from vidferry_common.metrics.catalogue import Service
from vidferry_common.settings import end_with_wrong_setting, load_settings
from vidferry_common.tracing import start_tracing

STARTUP_FAILURE = 3
"""the exit status of uvicorn's own command where the start failed"""
GRACE_SECONDS = 20
"""that requests have to finish after SIGTERM"""

SERVER_OPTIONS: dict[str, Any] = {
    "log_config": None,
    "access_log": False,  # it would log the queries of signed links
    "proxy_headers": False,  # VIDFERRY_TRUSTED_PROXIES decides about them, by the peer's own address
    "server_header": False,
    "lifespan": "on",
}
"""uvicorn's options wherever it serves the app of create_app"""


def main() -> None:
    settings = load_settings(ApiSettings)
    require_signing_key(settings)
    log.set_up(settings, "api")
    registry = Registry(Service.API)
    tracer = start_tracing(settings, "api")
    registry.add_reading(catalogue.SPANS, tracer.count_spans)
    try:
        app = create_app(settings, registry, tracer)
        admin = AdminServer(settings, registry, lambda: is_ready(app))
    except KeysFileWrong as error:
        end_with_wrong_setting("VIDFERRY_ACCESS_KEYS_FILE", str(error))
    except BucketError as error:
        sys.exit(f"VIDFERRY_BUCKET: {error}.")
    except PortTaken as error:
        sys.exit(str(error))
    app.router.lifespan_context = _within_admin_port(app, admin)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=ApiProtocol,
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
        **SERVER_OPTIONS,
    )
    _raise_descriptor_limit()
    server = ApiServer(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class ApiServer(uvicorn.Server):
    """uvicorn's server, which answers waiting requests before it stops."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end_waits(self.config.app)
        await super().shutdown(sockets)


def end_waits(app: Any) -> None:
    """Has the requests that wait for a job to change answered now."""
    services: Services | None = getattr(app.state, "services", None)
    if services is not None:
        services.changes.release_all()


def _raise_descriptor_limit() -> None:
    """Raises the soft limit, 1,024 by default, to the hard limit: each waiting request holds a connection."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def is_ready(app: FastAPI) -> bool:
    """Whether Redis and the bucket have been reached."""
    services: Services | None = getattr(app.state, "services", None)
    return services is not None and services.ready


def _within_admin_port(app: FastAPI, admin: AdminServer) -> Any:
    """The app's lifespan, wrapped in the admin port's."""
    app_lifespan = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[object]:
        async with admin, app_lifespan(app) as state:
            yield state

    return lifespan
