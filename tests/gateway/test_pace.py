"""Clients that are deaf or slow: found out by a ping or by what piles up, and nobody else's trouble."""

import asyncio
import time

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Opcode

from gateway.process import STEPS, TIMEOUT, Job, OpenStore, StartGateway, listen, received, watch
from gateway.raw import RawClient, frame, handshake
from support.redis_server import RedisServer

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


async def test_a_client_that_never_reads_is_closed_and_costs_the_others_nothing(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(
        shared_redis.url, gateway_slow_seconds="1", gateway_close_seconds="0.5", gateway_ping_seconds="2",
        gateway_pong_seconds="1", log_level="info",
    )  # fmt: skip
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))
    with RawClient(gateway, receive_buffer=4096) as deaf:
        deaf.send(handshake(job.id))
        assert deaf.response()[0] == 101
        async with connect(gateway.uri(job.id)) as reader:
            await listen(reader, received(1))
            reading = asyncio.ensure_future(listen(reader, received(303)))
            await job.steps(0, 3)
            for number in range(300):
                await job.progress(20 + number / 100)
            seen = await reading
            assert seen.progress[3:] == [round(20 + number / 100, 2) for number in range(300)]
            deadline = time.monotonic() + TIMEOUT
            while not is_cut(deaf):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            await job.steps(3, 11)
            await job.finish()
            assert (await listen(reader)).progress == STEPS[3:]


def is_cut(client: RawClient) -> bool:
    """Whether the gateway has let go of the connection: a write to it is refused."""
    try:
        client.send(frame(10))
    except OSError:
        return True
    return False


async def test_a_slow_client_gets_every_step_the_newest_progress_and_the_end(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, log_level="info")
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))

    with RawClient(gateway, receive_buffer=4096) as slow:
        slow.send(handshake(job.id))
        assert slow.response()[0] == 101
        async with connect(gateway.uri(job.id)) as reader:
            reading = asyncio.ensure_future(listen(reader))
            await job.steps(0, 3)
            for number in range(300):
                await job.progress(20 + number / 100)
            await job.steps(3, 8)
            for number in range(300):
                await job.progress(85 + number / 100)
            await job.steps(8, 11)
            await job.finish()
            # Who reads gets all of it: with the state at the join, or without it where the first step was quicker.
            assert len((await reading).raw) in {612, 613}
        frames, code = await asyncio.to_thread(slow.frames_to_close)
    full = await watch(gateway.uri(job.id))
    texts = [bytes(each.data).decode() for each in frames if each.opcode is Opcode.TEXT]
    assert code == 1000
    assert set(full.raw) <= set(texts), "every step and the end"
    assert len(texts) < 400, "progress that was passed by newer is left out"


async def test_a_slow_client_that_reads_on_is_told_why_it_was_closed(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(
        shared_redis.url, gateway_slow_seconds="0.5", gateway_ping_seconds="2", gateway_pong_seconds="1",
        log_level="info",
    )  # fmt: skip
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))
    with RawClient(gateway, receive_buffer=4096) as slow:
        slow.send(handshake(job.id))
        assert slow.response()[0] == 101
        for number in range(300):
            await job.progress(20 + number / 100)
        await asyncio.to_thread(gateway.wait_for, "client is too slow")
        assert (await asyncio.to_thread(slow.frames_to_close))[1] == 4008


async def test_pings_of_a_client_that_does_not_read_pile_up_nothing(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(
        shared_redis.url, gateway_slow_seconds="1", gateway_close_seconds="0.5", gateway_ping_seconds="2",
        gateway_pong_seconds="1",
    )  # fmt: skip
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))

    def flood() -> int:
        with RawClient(gateway, receive_buffer=4096) as client:
            client.send(handshake(job.id))
            client.response()
            client.socket.settimeout(10)
            sent = 0
            try:
                while sent < 100_000_000:
                    sent += client.socket.send(frame(9, b"x" * 125) * 500)
            except OSError:
                return sent
            return sent

    assert await asyncio.to_thread(flood) < 20_000_000
