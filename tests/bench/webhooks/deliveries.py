"""A worker's deliveries in this process, and the events that it is given."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from pydantic import SecretStr

from support.outbox import SEQ, add_events
from support.receiver import SECRET
from support.redis_server import redis_server
from vidferry_common.contract.webhooks import event_id
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.store import RedisSettings, Store, connect_redis
from vidferry_common.store.client import RedisClient
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.egress import EgressPolicy
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.tasks.task_loop import TaskLoop
from vidferry_worker.webhooks.delivery import Deliverer
from vidferry_worker.webhooks.loop import HOLD_SECONDS
from vidferry_worker.webhooks.secrets import SigningSecrets
from vidferry_worker.webhooks.sender import WebhookSender, make_tls_context

RECEIVERS = 16
POLL_SECONDS = 0.01
_PREFIX = "{:08x}-0000-4000-8000-"


class Outbox:
    """The events of one Redis, and a worker's loop that delivers them."""

    def __init__(self, redis: RedisClient, certificate: Path) -> None:
        self._redis, self.store = redis, Store(redis, 3600)
        tls = make_tls_context()
        tls.load_verify_locations(certificate)
        sender = WebhookSender(Broker(EgressPolicy([ip_network("127.0.0.0/8")], ())), tls, allow_http=True)
        metrics = WorkerMetrics(Registry(Service.WORKER), 1)
        signing, slots = (
            SigningSecrets(None, (SecretStr(SECRET),)),
            WorkerSettings.model_fields["webhook_slots"].default,
        )
        deliverer = Deliverer(self.store.deliveries, signing, sender, metrics, slots)
        self._loop = TaskLoop(
            self.store.deliveries, deliverer.deliver, slots=slots, hold=HOLD_SECONDS, take=deliverer.take
        )

    async def add(self, url: str, count: int, receiver: int) -> None:
        """Events that are due to a receiver."""
        await add_events(self._redis, url, count, f"receiver-{receiver}.example", _PREFIX.format(receiver))

    async def add_slowly(self, url: str, count: int, pause: float) -> dict[str, float]:
        """The same, one by one; when each was made, by time.time()."""
        made: dict[str, float] = {}
        prefix = _PREFIX.format(0xFFFF)
        for number in range(count):
            made[event_id(f"{prefix}{number:012}", SEQ)] = time.time()
            await add_events(self._redis, url, 1, f"receiver-{number % RECEIVERS}.example", prefix, number)
            await asyncio.sleep(pause)
        return made

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self._loop.run())
        yield
        while not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=0.2)

    async def wait_for(self, left: int) -> None:
        """Once no more jobs than that have events that wait."""
        async with asyncio.timeout(600):
            while True:
                if (await self.store.webhooks.read_undelivered()).jobs <= left:
                    return
                await asyncio.sleep(POLL_SECONDS)

    async def deliver_all(self) -> "Cost":
        """Delivers all that is due."""
        count = (await self.store.webhooks.read_undelivered()).jobs
        before = _peak_memory(reset=True)
        began, cpu = time.monotonic(), time.process_time()
        async with self.delivering():
            await self.wait_for(0)
            seconds, used = time.monotonic() - began, time.process_time() - cpu
        return Cost(count / seconds, used / count, _peak_memory() - before)


@dataclass(frozen=True)
class Cost:
    """What deliveries took."""

    rate: float
    """deliveries a second"""
    cpu: float
    """seconds of the worker's CPU for each"""
    memory: int
    """bytes that the worker grew by at most"""


def _peak_memory(*, reset: bool = False) -> int:
    """The most bytes that this process has had in memory since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@asynccontextmanager
async def outbox_with_worker(certificate: Path) -> AsyncIterator[Outbox]:
    with redis_server() as server:
        redis = connect_redis(RedisSettings.model_validate({"redis_url": server.url}))
        yield Outbox(redis, certificate)
        await redis.aclose(close_connection_pool=True)
