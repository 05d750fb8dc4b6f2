from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from support.jobs import Job, redis_client
from support.redis_server import RedisServer, redis_server
from support.services import Gateway
from vidferry_common.store import Store

OpenStore = Callable[[RedisServer], Awaitable[Store]]
StartGateway = Callable[..., Gateway]


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """For tests that leave it as it is."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One of its own, for a test that kills it."""
    with redis_server(tcp=True) as server:
        yield server


@pytest.fixture
def start_gateway() -> Iterator[StartGateway]:
    with ExitStack() as stack:
        yield lambda redis_url, **settings: stack.enter_context(Gateway(redis_url, **settings))


@pytest.fixture
async def impatient_gateway(start_gateway: StartGateway, shared_redis: RedisServer) -> Gateway:
    """It soon cuts who does not read."""
    process = start_gateway(
        shared_redis.url, gateway_slow_seconds="1", gateway_close_seconds="2", gateway_ping_seconds="2",
        gateway_pong_seconds="1", log_level="info",
    )  # fmt: skip
    await process.connected()
    return process


@pytest.fixture(scope="session")
def shared_gateway(shared_redis: RedisServer) -> Iterator[Gateway]:
    with Gateway(shared_redis.url) as process:
        process.wait_for("connected to Redis")
        yield process


@pytest.fixture
async def store_of() -> AsyncIterator[OpenStore]:
    async with AsyncExitStack() as stack:

        async def open_store(server: RedisServer) -> Store:
            return Store(await stack.enter_async_context(redis_client(server)), 3600)

        yield open_store


@pytest.fixture
async def job(shared_redis: RedisServer, store_of: OpenStore) -> Job:
    return await Job.create(await store_of(shared_redis))
