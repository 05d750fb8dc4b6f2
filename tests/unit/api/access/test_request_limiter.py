"""Requests a minute of one key."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.redis_server import RedisServer, redis_server
from support.sentinel import SentinelProcess
from vidferry_api.access.principal import OwnerLimits, Principal, Scope
from vidferry_api.access.request_limiter import RequestLimiter, RequestQuota
from vidferry_api.http.problems import Problem
from vidferry_common.contract import keys
from vidferry_common.store import RedisSettings, StoreUnavailable, connect_redis
from vidferry_common.store.client import RedisClient

pytestmark = pytest.mark.anyio


def key_of(owner: str = "team", name: str = "ci", rate: int = 3) -> Principal:
    return Principal(owner, name, frozenset(Scope), OwnerLimits(requests_per_minute=rate))


def connect(url: str) -> RedisClient:
    return connect_redis(RedisSettings.model_validate({"redis_url": url}))


@pytest.fixture
async def redis(shared_redis: RedisServer) -> AsyncIterator[RedisClient]:
    client = connect(shared_redis.url)
    await client.flushall()
    yield client
    await client.aclose(close_connection_pool=True)


async def test_a_key_has_its_requests_and_no_more_over_all_apis(redis: RedisClient) -> None:
    limiters = [RequestLimiter(redis), RequestLimiter(redis)]
    quotas = [await limiters[number % 2].count_request(key_of()) for number in range(3)]
    assert [quota.remaining for quota in quotas if quota] == [2, 1, 0]

    for limiter in limiters:
        with pytest.raises(Problem) as info:
            await limiter.count_request(key_of())
        problem = info.value
        assert problem.code == "rate_limit"
        assert 55 <= int(problem.headers["Retry-After"]) <= 60
        assert problem.headers["RateLimit-Policy"] == '"key";q=3;w=60'
        assert problem.headers["RateLimit"].startswith('"key";r=0;t=')
        assert "3 requests per minute" in problem.detail


async def test_many_at_once_are_counted_each(redis: RedisClient) -> None:
    limiter = RequestLimiter(redis)

    found = await asyncio.gather(*(limiter.count_request(key_of(rate=7)) for _ in range(30)), return_exceptions=True)

    assert sum(isinstance(each, RequestQuota) for each in found) == 7
    assert sum(isinstance(each, Problem) for each in found) == 23


@pytest.mark.parametrize("other", [key_of(owner="others"), key_of(name="other")])
async def test_each_key_of_each_owner_has_its_own(other: Principal, redis: RedisClient) -> None:
    limiter = RequestLimiter(redis)
    for _ in range(3):
        await limiter.count_request(key_of())

    assert await limiter.count_request(other) is not None


async def test_without_a_limit_redis_is_not_asked(redis: RedisClient) -> None:
    assert await RequestLimiter(redis).count_request(key_of(rate=0)) is None
    assert await redis.keys("*") == []


async def test_what_is_kept_expires_and_names_nobody(redis: RedisClient) -> None:
    await RequestLimiter(redis).count_request(key_of("secret-team", "secret-key"))

    (key,) = await redis.keys("*")
    assert key.startswith(keys.KEY_REQUESTS.encode())
    assert b"secret" not in key
    assert 0 < await redis.ttl(key) <= 60


async def test_an_outage_is_told_as_everywhere() -> None:
    with redis_server() as server:
        client = connect(server.url)
        limiter = RequestLimiter(client)
        await limiter.count_request(key_of())
        server.kill()
        with pytest.raises(StoreUnavailable):
            await limiter.count_request(key_of())
        await client.aclose(close_connection_pool=True)


async def test_a_full_redis_counts_nothing() -> None:
    """What only reads goes on."""
    with redis_server() as server:
        client = connect(server.url)
        limiter = RequestLimiter(client)
        await limiter.count_request(key_of())
        await client.config_set("maxmemory", 1)
        assert await limiter.count_request(key_of()) is None
        await client.aclose(close_connection_pool=True)


async def test_the_primary_of_sentinels_counts() -> None:
    with redis_server(tcp=True) as server:
        sentinel = SentinelProcess(server.port, 1).start()
        try:
            client = connect(sentinel.url)
            quota = await RequestLimiter(client).count_request(key_of())
            await client.aclose(close_connection_pool=True)
        finally:
            sentinel.close()
    assert quota is not None
    assert quota.remaining == 2
