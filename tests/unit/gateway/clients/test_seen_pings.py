"""Pings for clients that aren't told of pings."""

import json

import pytest
from websockets.asyncio.client import connect

from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job
from support.redis_server import RedisServer
from support.watchers import listen, received

pytestmark = pytest.mark.anyio


async def test_who_asks_is_told_of_each_ping(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_ping_seconds="1", gateway_pong_seconds="0.9")
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))
    async with (
        connect(gateway.uri(job.id, "?pings=1")) as told,
        connect(gateway.uri(job.id)) as quiet,
        connect(f"ws://127.0.0.1:{gateway.port}/ws/downloads?pings=1") as many,
    ):
        assert [message["type"] for message in (await listen(told, received(3))).messages] == [
            "status", "ping", "ping",
        ]  # fmt: skip
        assert json.loads(await many.recv()) == {"type": "ping"}
        await job.finish()
        assert {message["type"] for message in (await listen(quiet)).messages} == {"status"}
