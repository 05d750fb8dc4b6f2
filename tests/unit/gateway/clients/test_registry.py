"""Pings: who answers them stays, who does not is closed, and who asks is told of them."""

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Opcode

from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job
from support.raw_websocket import RawClient, frame, handshake
from support.redis_server import RedisServer
from support.watchers import listen, received

pytestmark = pytest.mark.anyio


async def test_who_answers_pings_stays(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_ping_seconds="0.2", gateway_pong_seconds="0.1")
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))

    def answer_five() -> None:
        with RawClient(gateway) as client:
            client.send(handshake(job.id))
            client.response()
            for _ in range(5):
                while (one := client.frame()).opcode is not Opcode.PING:
                    assert one.opcode is Opcode.TEXT
                client.send(frame(10, bytes(one.data)))

    await asyncio.to_thread(answer_five)


async def test_who_does_not_is_closed(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_ping_seconds="0.5", gateway_pong_seconds="0.2")
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))

    def stay_silent() -> tuple[float, int]:
        began = time.monotonic()
        with RawClient(gateway) as client:
            client.send(handshake(job.id))
            client.response()
            code = client.frames_to_close()[1]
        return time.monotonic() - began, code

    seconds, code = await asyncio.to_thread(stay_silent)
    assert code == 1011
    assert 0.6 < seconds < 3


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
