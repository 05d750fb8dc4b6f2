"""A real gateway, a real Redis, real WebSocket clients: who watches a job sees all of it, whenever they come."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job, redis_client
from support.redis_server import RedisServer
from support.services import Gateway
from support.watchers import STEPS, listen, received, watch
from vidferry_common.contract.keys import CHANNEL, HISTORY, JOB

pytestmark = pytest.mark.anyio


async def publish(server: RedisServer, job_id: str, message: bytes) -> None:
    """As any other program would."""
    async with redis_client(server) as client:
        await client.publish(CHANNEL + job_id, message)


async def test_from_before_the_first_step(shared_gateway: Gateway, job: Job) -> None:
    async with connect(shared_gateway.uri(job.id)) as socket:
        first = await listen(socket, received(1))
        await job.steps(0, 11)
        await job.finish()
        seen = await listen(socket)
    assert first.messages[0]["data"]["status"] == "queued"
    assert seen.progress == STEPS
    assert seen.seqs == list(range(2, 14))
    assert seen.code == 1000
    assert seen.messages[-1]["data"]["result"] == {"title": "A video"}


async def test_from_the_middle(shared_gateway: Gateway, job: Job) -> None:
    await job.steps(0, 5)
    await job.progress(44.4)
    async with connect(shared_gateway.uri(job.id)) as socket:
        so_far = await listen(socket, received(6))
        await job.steps(5, 11)
        await job.finish()
        rest = await listen(socket)
    assert so_far.progress == [*STEPS[:5], 44.4]
    assert rest.progress == STEPS[5:]
    assert [*so_far.seqs, *rest.seqs] == sorted({*so_far.seqs, *rest.seqs})


async def test_after_the_end(shared_gateway: Gateway, job: Job) -> None:
    await job.steps(0, 11)
    await job.finish()
    seen = await watch(shared_gateway.uri(job.id))
    assert (seen.progress, seen.code) == (STEPS, 1000)


@pytest.mark.parametrize("query", ["", "?after={epoch}-4", "?after={epoch}-13"])
async def test_once_the_history_of_an_ended_job_is_gone(
    shared_gateway: Gateway, shared_redis: RedisServer, job: Job, query: str
) -> None:
    """Nobody is left waiting, and nobody takes an older step for the end."""
    await job.steps(0, 11)
    await job.finish()
    async with redis_client(shared_redis) as client:
        assert 0 < await client.ttl(JOB + job.id + HISTORY) <= 300
        await client.delete(JOB + job.id + HISTORY)  # as if that time had passed
    epoch = (await watch(shared_gateway.uri(job.id))).cursor.partition("-")[0]
    seen = await watch(shared_gateway.uri(job.id, query.format(epoch=epoch)))
    assert (seen.progress, seen.code) == ([100], 1000)
    assert seen.messages[0]["data"]["status"] == "completed"


async def test_cut_and_back_with_its_cursor(shared_gateway: Gateway, job: Job) -> None:
    await job.steps(0, 3)
    async with connect(shared_gateway.uri(job.id)) as socket:
        before = await listen(socket, received(3))
        socket.transport.abort()
    await job.steps(3, 11)
    await job.finish()
    after = await watch(shared_gateway.uri(job.id, f"?after={before.cursor}"))
    assert [*before.progress, *after.progress] == STEPS


@pytest.mark.parametrize("cursor", ["00000000-3", "garbage"])
async def test_a_cursor_of_something_else_shows_everything(shared_gateway: Gateway, job: Job, cursor: str) -> None:
    await job.steps(0, 11)
    await job.finish()
    assert (await watch(shared_gateway.uri(job.id, f"?after={cursor}"))).progress == STEPS


async def test_a_cursor_at_the_end_still_shows_the_end(shared_gateway: Gateway, job: Job) -> None:
    await job.steps(0, 11)
    await job.finish()
    cursor = (await watch(shared_gateway.uri(job.id))).cursor
    seen = await watch(shared_gateway.uri(job.id, f"?after={cursor}"))
    assert (seen.progress, seen.code) == ([100], 1000)


async def test_below_a_prefix_and_in_capitals(shared_gateway: Gateway, job: Job) -> None:
    await job.finish()
    assert (await watch(shared_gateway.uri(job.id.upper(), prefix="/a/b"))).code == 1000


@pytest.mark.parametrize(
    "message",
    [b"hello", b'{"type": "status",  "data": {"status": "completed"}}', "…é\n".encode(), b"x" * 70_000, b"x" * 126],
)
async def test_another_programs_message_passes_unchanged(
    shared_gateway: Gateway, shared_redis: RedisServer, job: Job, message: bytes
) -> None:
    async with connect(shared_gateway.uri(job.id)) as socket:
        await listen(socket, received(1))
        await publish(shared_redis, job.id, message)
        await job.finish()
        seen = await listen(socket)
    assert seen.raw[0] == message.decode()
    assert (json.loads(seen.raw[1])["data"]["status"], seen.code) == ("completed", 1000)


async def test_bytes_that_are_no_text_pass_as_bytes(
    shared_gateway: Gateway, shared_redis: RedisServer, job: Job
) -> None:
    async with connect(shared_gateway.uri(job.id)) as socket:
        await listen(socket, received(1))
        await publish(shared_redis, job.id, b"\xff\xfe")
        assert (await listen(socket, received(1))).raw == [b"\xff\xfe"]


@pytest.mark.parametrize(
    "job_id", ["6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40", "nonsense", "", "x" * 3000, "%2e%2e/x", "a/b"]
)
async def test_no_such_job(shared_gateway: Gateway, job_id: str) -> None:
    seen = await watch(shared_gateway.uri(job_id))
    assert (seen.raw, seen.code) == ([], 4504)


async def test_many_watchers_of_many_jobs_over_one_connection(
    start_gateway: StartGateway, redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(redis.url, log_level="info")
    await gateway.connected()
    store = await store_of(redis)
    jobs = [await Job.create(store) for _ in range(20)]
    ready = asyncio.Semaphore(0)

    async def watcher(job: Job) -> list[float]:
        async with connect(gateway.uri(job.id)) as socket:
            first = await listen(socket, received(1))
            ready.release()
            seen = await listen(socket)
            assert seen.code == 1000
            assert [*first.seqs, *seen.seqs] == list(range(1, 14))
            return seen.progress

    async with asyncio.TaskGroup() as group:
        watchers = [group.create_task(watcher(job)) for job in jobs for _ in range(10)]
        for _ in watchers:
            await ready.acquire()
        async with redis_client(redis) as client:
            connections = [each for each in await client.client_list() if each["name"].startswith("vidferry-gateway:")]
        assert [each["sub"] for each in connections] == ["20"]
        await asyncio.gather(*(job.steps(0, 11) for job in jobs))
        await asyncio.gather(*(job.finish() for job in jobs))
    assert [each.result() for each in watchers] == [STEPS] * 200
    async with redis_client(redis) as client:
        assert await client.pubsub_channels("*") == []


async def test_the_way_of_a_message_can_be_followed(shared_gateway: Gateway, job: Job) -> None:
    async with connect(shared_gateway.uri(job.id)) as socket:
        await listen(socket, received(1))
        await job.finish()
        await listen(socket)

    # The log comes through a pipe of its own, so it may be behind the socket.
    await asyncio.to_thread(shared_gateway.wait_for, "forwarded to socket", 2, job_id=job.id)
    assert len(shared_gateway.logged("subscribed to channel", job_id=job.id)) == 1
    assert len(shared_gateway.logged("forwarded to socket", job_id=job.id)) == 2
