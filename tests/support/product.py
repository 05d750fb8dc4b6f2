"""The three services as processes of their own, on one Redis and one bucket, each with its admin port."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from websockets.sync.client import connect

from support.answers import post
from support.api_process import ApiProcess
from support.gateway_process import GatewayProcess, redis_client
from support.ports import free_port
from support.redis_server import RedisServer
from support.scrape import Admin
from support.stack import Watched, drain
from support.worker_process import WorkerProcess
from vidferry_common.store import QueueDepth, Store


@dataclass
class Product:
    """Vidferry, as a cluster runs it."""

    redis: RedisServer
    home: Path
    api_admin: Admin = field(default_factory=lambda: Admin(free_port()))
    worker_admin: Admin = field(default_factory=lambda: Admin(free_port()))
    gateway_admin: Admin = field(default_factory=lambda: Admin(free_port()))

    @contextmanager
    def running(self) -> Iterator["Product"]:
        (self.home / "bucket").mkdir(exist_ok=True)
        with ExitStack() as stack:
            self.api = ApiProcess(self.redis.url, self.home / "bucket", admin_port=str(self.api_admin.port)).start()
            stack.callback(self.api.close)
            self.gateway = GatewayProcess(self.redis.url, admin_port=str(self.gateway_admin.port)).start()
            stack.callback(self.gateway.close)
            self.worker = WorkerProcess(
                self.redis, self.home, admin_port=str(self.worker_admin.port), retries="1"
            ).start()
            stack.callback(self.worker.close)
            for admin in self.admins:
                admin.wait("/readyz", 200)
            yield self

    @property
    def admins(self) -> tuple[Admin, Admin, Admin]:
        return self.api_admin, self.worker_admin, self.gateway_admin

    def post(self, url: str, **headers: str) -> str:
        """The job's id."""
        with httpx2.Client(base_url=self.api.url, timeout=20, verify=False) as client:
            return str(post(client, url, headers)["job_id"])

    def watch(self, job_id: str) -> Watched:
        """All that a socket is sent, to its close."""
        with connect(self.gateway.uri(job_id), open_timeout=20) as socket:
            return drain(socket)

    def run(self, url: str) -> Watched:
        """A job from POST to end."""
        return self.watch(self.post(url))

    def depth(self) -> QueueDepth:
        async def ask() -> QueueDepth:
            async with redis_client(self.redis) as client:
                return await Store(client, 60).queue.read_depth()

        return asyncio.run(ask())
