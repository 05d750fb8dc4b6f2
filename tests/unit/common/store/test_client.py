"""The connections to Redis: what they are called."""

import socket
from collections.abc import AsyncIterator, Callable

import pytest

from support.redis_server import RedisServer, redis_server
from vidferry_common.store import RedisSettings, connect_redis
from vidferry_common.store.client import RedisClient, connection_name

pytestmark = pytest.mark.anyio
NAME = connection_name("worker", "records")

Open = Callable[..., RedisClient]


@pytest.fixture
async def open_client() -> AsyncIterator[Open]:
    opened: list[RedisClient] = []

    def opening(server: RedisServer, **settings: str) -> RedisClient:
        opened.append(connect_redis(RedisSettings.model_validate({"redis_url": server.url, **settings}), NAME))
        return opened[-1]

    yield opening
    for each in opened:
        await each.aclose(close_connection_pool=True)


def test_a_name_tells_the_service_the_purpose_and_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_name("api", "records") == f"vidferry-api:records:{socket.gethostname()}"
    monkeypatch.setattr("socket.gethostname", lambda: "a höst")
    assert connection_name("api", "records") == "vidferry-api:records:a-h-st"


async def test_a_connection_that_was_cut_has_its_name_again(shared_server: RedisServer, open_client: Open) -> None:
    client = open_client(shared_server)
    for _ in range(2):
        assert await client.client_getname() == NAME
        await client.client_kill_filter(_id=str(await client.client_id()), skipme=False)


async def test_who_may_not_be_named_is_served_all_the_same(open_client: Open) -> None:
    with redis_server("--user", "modest", "on", ">secret", "~*", "+@all", "-client") as server:
        assert await open_client(server, redis_username="modest", redis_password="secret").ping()
