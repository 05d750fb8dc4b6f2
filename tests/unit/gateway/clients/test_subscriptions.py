"""Many jobs on one WebSocket: subscribe, unsubscribe, each with its own cursor; the socket outlives them all."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job
from support.raw_websocket import RawClient, frame, handshake
from support.redis_server import RedisServer
from support.services import Gateway
from support.watchers import STEPS, TIMEOUT, listen

pytestmark = pytest.mark.anyio

UNKNOWN = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"


def uri(gateway: Gateway, prefix: str = "") -> str:
    return f"ws://127.0.0.1:{gateway.port}{prefix}/ws/downloads"


async def subscribe(socket: ClientConnection, jobs: dict[str, str | None]) -> None:
    await socket.send(json.dumps({"type": "subscribe", "jobs": jobs}))


async def unsubscribe(socket: ClientConnection, *jobs: str) -> None:
    await socket.send(json.dumps({"type": "unsubscribe", "jobs": jobs}))


class Heard:
    """What a socket was told, by job."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def of(self, job_id: str) -> list[dict[str, Any]]:
        return [each for each in self.all if each["type"] == "status" and each["data"]["job_id"] == job_id]

    def progress(self, job: Job) -> list[float]:
        return [each["data"]["progress"] for each in self.of(job.id)]

    def ended(self, job: Job) -> bool:
        return any(each["data"]["status"] == "completed" for each in self.of(job.id))

    @property
    def errors(self) -> list[tuple[str | None, str]]:
        return [(each["job_id"], each["code"]) for each in self.all if each["type"] == "error"]


async def hear(socket: ClientConnection, until: Callable[[Heard], bool]) -> Heard:
    heard = Heard()
    async with asyncio.timeout(TIMEOUT):
        while not until(heard):
            heard.all.append(json.loads(await socket.recv()))
    return heard


async def some(store_of: OpenStore, server: RedisServer, count: int) -> list[Job]:
    store = await store_of(server)
    return [await Job.create(store) for _ in range(count)]


async def test_the_ends_of_all_jobs_come_and_the_socket_stays(
    shared_gateway: Gateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    jobs = await some(store_of, shared_redis, 5)
    async with connect(uri(shared_gateway)) as socket:
        await subscribe(socket, {job.id: None for job in jobs})
        await hear(socket, lambda heard: len(heard.all) == 5)
        await asyncio.gather(*(job.steps(0, 11) for job in jobs))
        await asyncio.gather(*(job.finish() for job in jobs))
        heard = await hear(socket, lambda heard: all(map(heard.ended, jobs)))
        assert [heard.progress(job) for job in jobs] == [STEPS] * 5
        (later,) = await some(store_of, shared_redis, 1)
        await later.finish()
        await subscribe(socket, {later.id.upper(): None})
        assert (await hear(socket, lambda heard: heard.ended(later))).progress(later) == [100]


async def test_each_job_goes_on_from_its_own_cursor(
    shared_gateway: Gateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    one, two = jobs = await some(store_of, shared_redis, 2)
    await one.steps(0, 3)
    await two.steps(0, 6)
    async with connect(uri(shared_gateway)) as socket:
        await subscribe(socket, {job.id: None for job in jobs})
        before = await hear(socket, lambda heard: len(heard.all) == 9)
        socket.transport.abort()
    for job in jobs:
        await job.steps(len(before.of(job.id)), 11)
        await job.finish()
    async with connect(uri(shared_gateway)) as socket:
        await subscribe(socket, {job.id: before.of(job.id)[-1]["cursor"] for job in jobs})
        after = await hear(socket, lambda heard: all(map(heard.ended, jobs)))
    assert [[*before.progress(job), *after.progress(job)] for job in jobs] == [STEPS] * 2


async def test_unsubscribed_is_silent(shared_gateway: Gateway, shared_redis: RedisServer, store_of: OpenStore) -> None:
    one, two = jobs = await some(store_of, shared_redis, 2)
    async with connect(uri(shared_gateway)) as socket:
        await subscribe(socket, {job.id: None for job in jobs})
        await hear(socket, lambda heard: len(heard.all) == 2)
        await unsubscribe(socket, one.id, UNKNOWN)
        told = await hear(socket, lambda heard: len(heard.all) == 2)
        assert told.all == [{"type": "unsubscribed", "job_id": job_id} for job_id in (one.id, UNKNOWN)]
        await one.finish()
        await two.finish()
        heard = await hear(socket, lambda heard: heard.ended(two))
        assert heard.of(one.id) == []
        await subscribe(socket, {one.id: None})
        assert (await hear(socket, lambda heard: heard.ended(one))).progress(one) == [100]


async def test_an_unknown_job_is_an_error_and_no_end(shared_gateway: Gateway, job: Job) -> None:
    async with connect(uri(shared_gateway)) as socket:
        await subscribe(socket, {UNKNOWN: None, "nonsense": "0000000a-1", job.id: None})
        heard = await hear(socket, lambda heard: len(heard.all) == 3)
        assert sorted(heard.errors) == [(UNKNOWN, "job_not_found"), ("nonsense", "job_not_found")]
        assert len(heard.of(job.id)) == 1


@pytest.mark.parametrize("message", ["hello", b"\x00", "[" * 4000])
async def test_a_message_that_means_nothing(shared_gateway: Gateway, job: Job, message: str | bytes) -> None:
    async with connect(uri(shared_gateway)) as socket:
        await socket.send(message)
        heard = await hear(socket, lambda heard: bool(heard.all))
        assert heard.errors == [(None, "invalid_message")]
        await subscribe(socket, {job.id: None})
        await hear(socket, lambda heard: bool(heard.of(job.id)))


async def test_a_message_in_fragments(shared_gateway: Gateway, job: Job) -> None:
    async with connect(uri(shared_gateway)) as socket:
        await socket.send(['{"type":"subscribe",', f'"jobs":{{"{job.id}":', "null}}"])
        await hear(socket, lambda heard: bool(heard.of(job.id)))


async def test_more_than_four_kibibytes_end_the_socket(shared_gateway: Gateway) -> None:
    async with connect(uri(shared_gateway)) as socket:
        await subscribe(socket, {f"{number:032x}": None for number in range(120)})
        assert (await listen(socket)).code == 1009


async def test_no_more_jobs_than_the_setting_allows(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_max_jobs_per_socket="2")
    await gateway.connected()
    one, two, three = await some(store_of, shared_redis, 3)
    async with connect(uri(gateway)) as socket:
        await subscribe(socket, {job.id: None for job in (one, two, three)})
        heard = await hear(socket, lambda heard: len(heard.all) == 3)
        assert heard.errors == [(three.id, "too_many_jobs")]
        await subscribe(socket, {one.id: None})
        assert (await hear(socket, lambda heard: bool(heard.all))).errors == [], "the same job again is no other"
        await one.finish()
        await hear(socket, lambda heard: heard.ended(one))
        await subscribe(socket, {three.id: None})
        await hear(socket, lambda heard: bool(heard.of(three.id)))


async def test_many_histories_do_not_make_a_reader_slow(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    """150 whole jobs are more than a slow socket may be owed: they are read one after the other, as they are taken."""
    gateway = start_gateway(shared_redis.url, log_level="info")
    await gateway.connected()
    jobs = await some(store_of, shared_redis, 150)
    await asyncio.gather(*(job.steps(0, 11) for job in jobs))
    await asyncio.gather(*(job.finish() for job in jobs))

    def read_slowly() -> list[str]:
        with RawClient(gateway, receive_buffer=4096) as client:
            client.send(handshake("", path="/ws/downloads"))
            assert client.response()[0] == 101
            for first in range(0, 150, 50):
                wanted = {job.id: None for job in jobs[first : first + 50]}
                client.send(frame(1, json.dumps({"type": "subscribe", "jobs": wanted}).encode()))
            told = [bytes(client.frame().data).decode() for _ in range(150 * 12)]
            client.send(frame(8, b"\x03\xe8"))
            assert client.frames_to_close() == ([], 1000)
            return told

    told = await asyncio.to_thread(read_slowly)
    heard = Heard()
    heard.all = [json.loads(each) for each in told]
    assert [heard.progress(job) for job in jobs] == [STEPS] * 150


async def test_one_slow_socket_keeps_the_newest_of_each_job(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, log_level="info")
    await gateway.connected()
    jobs = await some(store_of, shared_redis, 3)

    with RawClient(gateway, receive_buffer=4096) as slow:
        slow.send(handshake("", path="/ws/downloads"))
        assert slow.response()[0] == 101
        wanted = {job.id: None for job in jobs}
        slow.send(frame(1, json.dumps({"type": "subscribe", "jobs": wanted}).encode()))
        first = [bytes(slow.frame().data) for _ in jobs]
        assert len(first) == 3
        for number in range(100):
            for job in jobs:
                await job.progress(20 + number / 100)
        for job in jobs:
            await job.steps(6, 8)
        for number in range(50):
            for job in jobs:
                await job.progress(86 + number / 100)
        heard = Heard()

        def read_on() -> None:
            while [heard.progress(job)[-1:] for job in jobs] != [[86.49]] * 3:
                heard.all.append(json.loads(bytes(slow.frame().data)))

        await asyncio.to_thread(read_on)
    for job in jobs:
        assert [value for value in heard.progress(job) if value in {80, 85}] == [80, 85]
    assert len(heard.all) < 350, "progress that was passed by newer is left out"


async def test_an_outage_is_survived(start_gateway: StartGateway, redis: RedisServer, store_of: OpenStore) -> None:
    gateway = start_gateway(redis.url)
    await gateway.connected()
    jobs = await some(store_of, redis, 20)
    async with connect(uri(gateway)) as socket:
        await subscribe(socket, {job.id: None for job in jobs})
        await hear(socket, lambda heard: len(heard.all) == 20)
        redis.restart()
        await gateway.connected(2)
        await asyncio.gather(*(job.steps(0, 11) for job in jobs))
        await asyncio.gather(*(job.finish() for job in jobs))
        heard = await hear(socket, lambda heard: all(map(heard.ended, jobs)))
    assert [heard.progress(job) for job in jobs] == [STEPS] * 20
