from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from support.gateway_process import GatewayProcess, Job, OpenStore, StartGateway, redis_client
from support.redis_server import RedisServer, redis_server
from vidferry_common.store import Store


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
    started: list[GatewayProcess] = []

    def start(redis_url: str, **settings: str) -> GatewayProcess:
        started.append(GatewayProcess(redis_url, **settings).start())
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
async def impatient_gateway(start_gateway: StartGateway, shared_redis: RedisServer) -> GatewayProcess:
    """It soon cuts who does not read."""
    process = start_gateway(
        shared_redis.url, gateway_slow_seconds="1", gateway_close_seconds="2", gateway_ping_seconds="2",
        gateway_pong_seconds="1", log_level="info",
    )  # fmt: skip
    await process.connected()
    return process


@pytest.fixture(scope="session")
def shared_gateway(shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    process = GatewayProcess(shared_redis.url).start()
    process.wait_for("connected to Redis")
    yield process
    process.close()


@pytest.fixture
async def store_of() -> AsyncIterator[OpenStore]:
    async with AsyncExitStack() as stack:

        async def open_store(server: RedisServer) -> Store:
            return Store(await stack.enter_async_context(redis_client(server)), 3600)

        yield open_store


@pytest.fixture
async def job(shared_redis: RedisServer, store_of: OpenStore) -> Job:
    return await Job.create(await store_of(shared_redis))
