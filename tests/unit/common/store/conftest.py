from collections.abc import AsyncIterator, Iterator

import pytest

from support.records import SECONDS, Records
from support.redis_server import RedisServer, redis_server
from vidferry_common.store import RedisSettings, Store, connect_redis


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    """For tests that leave it running; each empties it."""
    with redis_server() as server:
        yield server


@pytest.fixture
async def records(shared_server: RedisServer) -> AsyncIterator[Records]:
    redis = connect_redis(RedisSettings.model_validate({"redis_url": shared_server.url}), max_connections=64)
    await redis.flushall()
    found = Records(Store(redis, SECONDS), redis)
    yield found
    for channel in found.told.values():
        await channel.aclose()  # type: ignore[no-untyped-call]
    await redis.aclose(close_connection_pool=True)
