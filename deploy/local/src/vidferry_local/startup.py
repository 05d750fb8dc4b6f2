"""Starts the services one after the other, each when those that it needs are ready."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Awaitable
from pathlib import Path

from vidferry_common.notify import ReadySocket
from vidferry_common.store import RedisSettings, Store, StoreUnavailable, connect_redis
from vidferry_common.store.client import connection_name
from vidferry_local.addresses import url_host
from vidferry_local.environment import redis_command, service_environment
from vidferry_local.errors import CannotRun
from vidferry_local.service import READY_SECONDS, Service
from vidferry_local.settings import LocalSettings

logger = logging.getLogger("vidferry_local")

PING_INTERVAL = 0.05


class LocalStack:
    """All services of Vidferry on this machine."""

    def __init__(self, settings: LocalSettings, data: Path, run_folder: Path, sockets: list[socket.socket]) -> None:
        self._settings, self._data, self._run_folder, self._sockets = settings, data, run_folder, sockets
        self._services: list[Service] = []
        self.supervision: list[asyncio.Task[None]] = []
        """a task for each service, which ends with CannotRun if the service fails for good"""

    async def start(self) -> None:
        """Starts all services and returns when they are ready. Raises CannotRun."""
        settings, env = self._settings, service_environment(self._settings, self._data, self._run_folder)
        if "VIDFERRY_REDIS_URL" not in os.environ:
            command = redis_command(self._data, self._run_folder)
            await self._start_service(Service("redis", command, env), _wait_for_redis(env["VIDFERRY_REDIS_URL"]))
        next_port = {"VIDFERRY_ADMIN_PORT": str(settings.admin_port + 1)} if settings.admin_port else {}
        await self._start_python_service("worker", "vidferry_worker", {**env, **next_port})
        fds = [sock.fileno() for sock in self._sockets]
        await self._start_python_service(
            "web", "vidferry_local.web", {**env, "VIDFERRY_LISTEN_FDS": ",".join(map(str, fds))}, fds
        )
        logger.info(
            "Vidferry is ready: open http://%s:%d  (videos go to %s; Ctrl-C stops it)",
            url_host(settings.host), settings.port, env["VIDFERRY_BUCKET"],
        )  # fmt: skip

    async def stop(self) -> None:
        """Stops the services in reverse order, Redis last."""
        for task in self.supervision:
            task.cancel()
        for service in reversed(self._services):
            await service.stop()

    async def _start_python_service(
        self, name: str, module: str, env: dict[str, str], fds: list[int] | None = None
    ) -> None:
        with ReadySocket(self._run_folder / f"{name}.ready") as ready:
            command = [sys.executable, "-m", module]
            await self._start_service(Service(name, command, {**env, **ready.environment()}, fds or []), ready.wait())

    async def _start_service(self, service: Service, ready: Awaitable[None]) -> None:
        self._services.append(service)
        await service.start()
        self.supervision.append(asyncio.create_task(service.supervise()))
        waiting = asyncio.ensure_future(asyncio.wait_for(ready, READY_SECONDS))
        try:
            await asyncio.wait({waiting, *self.supervision}, return_when=asyncio.FIRST_COMPLETED)
            for task in self.supervision:
                if task.done():
                    await task
            await waiting
        except TimeoutError:
            msg = f"{service.name} was not ready within {READY_SECONDS:.0f} s; its last lines above say why."
            raise CannotRun(msg) from None
        finally:
            waiting.cancel()
        logger.info("%s is up", service.name)


async def _wait_for_redis(url: str) -> None:
    settings = RedisSettings.model_validate({"redis_url": url})
    store = Store(connect_redis(settings, connection_name("local", "start")), settings.record_seconds)
    try:
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await store.ping()
            await asyncio.sleep(PING_INTERVAL)
    finally:
        await store.close()
