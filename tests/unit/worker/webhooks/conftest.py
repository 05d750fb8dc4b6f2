import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from support.receiver import OTHER_SECRET, SECRET
from support.records import Records
from support.redis_server import RedisServer
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.store import RedisSettings, Store, connect_redis
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.egress import EgressPolicy
from vidferry_worker.tasks.task_loop import TaskLoop
from vidferry_worker.webhooks.delivery import Deliverer
from vidferry_worker.webhooks.secrets import SigningSecrets
from vidferry_worker.webhooks.sender import WebhookSender, make_tls_context

Running = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
async def records(redis: RedisServer) -> AsyncIterator[Records]:
    client = connect_redis(RedisSettings.model_validate({"redis_url": redis.url}))
    await client.flushall()
    yield Records(Store(client, 3600), client)
    await client.aclose(close_connection_pool=True)


@pytest.fixture
def running(records: Records, tmp_path: Path) -> Running:
    """Delivers webhooks, as a worker does, while the context lasts. Beside open access, team-b has a secret."""
    keys_file = tmp_path / "keys.toml"
    keys_file.write_text(f'[owners.team-b.webhook]\nsecrets = ["{OTHER_SECRET}"]\n')

    @contextlib.asynccontextmanager
    async def run(
        slots: int = 16, secrets: tuple[str, ...] = (SECRET, OTHER_SECRET), hold: float = 30
    ) -> AsyncIterator[None]:
        broker = Broker(EgressPolicy([ip_network("127.0.0.0/8")], ()))
        sender = WebhookSender(broker, make_tls_context(), allow_http=True)
        metrics = WorkerMetrics(Registry(Service.WORKER), 1)
        signing = SigningSecrets(keys_file, tuple(map(SecretStr, secrets)))
        deliverer = Deliverer(records.store.deliveries, signing, sender, metrics, slots)
        tasks = TaskLoop(records.store.deliveries, deliverer.deliver, slots=slots, hold=hold, take=deliverer.take)
        loop = asyncio.create_task(tasks.run())
        try:
            yield
        finally:
            began = time.monotonic()
            while not loop.done() and time.monotonic() < began + 20:
                loop.cancel()
                await asyncio.wait({loop}, timeout=3)

    return run
