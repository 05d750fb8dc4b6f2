"""Server-Sent Events: a job's messages on an answer that does not end, with what browsers and proxies need."""

import asyncio
import json

import pytest

from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job, redis_client
from support.raw_websocket import RawClient
from support.redis_server import RedisServer
from support.services import Gateway
from support.sse import Event, close_code, follow, messages, progress, stream
from support.watchers import STEPS, TIMEOUT
from vidferry_common.contract.keys import CHANNEL, HISTORY, JOB

pytestmark = pytest.mark.anyio

UNKNOWN = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"


def is_message(event: Event) -> bool:
    return bool(event.data)


async def test_every_step_and_the_end(shared_gateway: Gateway, job: Job) -> None:
    async with stream(shared_gateway, job.id) as opened:
        assert opened.status == 200
        first = await opened.until(is_message)
        await job.steps(0, 11)
        await job.finish()
        rest = await opened.until()
    assert first[-1].json["data"]["status"] == "queued"
    assert progress(rest) == STEPS
    assert [event.id for event in messages(rest)] == [event.json["cursor"] for event in messages(rest)]
    assert close_code(rest) == 1000
    assert rest[-1].name == "close"


async def test_nothing_between_may_keep_it_back(shared_gateway: Gateway, job: Job) -> None:
    await job.finish()
    opened = await follow(shared_gateway, job.id)
    assert opened.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert opened.headers["cache-control"] == "no-store"
    assert opened.headers["x-accel-buffering"] == "no"
    assert opened.headers["x-content-type-options"] == "nosniff"
    assert "content-length" not in opened.headers
    retries = [event.retry for event in opened.seen if event.retry]
    assert len(retries) == 1
    assert 1000 <= retries[0] <= 3000


def blocks(body: bytes) -> list[list[bytes]]:
    """The lines before each blank line, without comments: many clients hand out one event for each."""
    *whole, rest = body.split(b"\n\n")
    assert rest == b"", "ends with a blank line"
    return [[line for line in block.split(b"\n") if not line.startswith(b":")] for block in whole]


async def test_each_blank_line_ends_an_event_with_data(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    """httpx-sse and others hand out an event for any block that isn't empty once they have an id, also of comments."""
    gateway = start_gateway(shared_redis.url, gateway_ping_seconds="0.1", gateway_pong_seconds="0.05")
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(f"GET /sse/download/{job.id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    async with asyncio.timeout(TIMEOUT):
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readuntil(b"\n:\n")
        await job.steps(0, 3)
        body += await reader.readuntil(b"\n:\n")
        await job.finish()
        body += await reader.read()
    writer.close()
    first, *others = blocks(body)
    assert first[0].startswith(b"retry: ")
    assert b":\n" in body
    assert all(any(line.startswith(b"data: ") for line in block) for block in (first, *others))
    assert not any(line.startswith(b"retry") for block in others for line in block)
    assert others[-1] == [b"event: close", b'data: {"code":1000}']


@pytest.mark.parametrize("how", ["header", "query"])
async def test_cut_and_back_with_its_cursor(shared_gateway: Gateway, job: Job, how: str) -> None:
    await job.steps(0, 3)
    async with stream(shared_gateway, job.id) as opened:
        before = await opened.until(lambda event: bool(event.data) and event.json["data"]["progress"] == STEPS[2])
    await job.steps(3, 11)
    await job.finish()
    cursor = messages(before)[-1].id
    again = await (
        follow(shared_gateway, job.id, last_event_id=cursor)
        if how == "header"
        else follow(shared_gateway, job.id, f"?after={cursor}")
    )
    assert [*progress(before), *progress(again.seen)] == STEPS


async def test_who_comes_back_after_the_end_is_told_to_stop(shared_gateway: Gateway, job: Job) -> None:
    """An EventSource comes back after every end that it is not told is the last: 204 is that (HTML standard §9.2.3)."""
    await job.steps(0, 11)
    await job.finish()
    opened = await follow(shared_gateway, job.id)
    again = await follow(shared_gateway, job.id, last_event_id=messages(opened.seen)[-1].id)
    assert (again.status, again.body) == (204, "")


async def test_once_the_history_of_an_ended_job_is_gone(
    shared_gateway: Gateway, shared_redis: RedisServer, job: Job
) -> None:
    """Who comes back from before the end is told the end, who has seen it is told to stop."""
    await job.steps(0, 11)
    await job.finish()
    whole = messages((await follow(shared_gateway, job.id)).seen)
    async with redis_client(shared_redis) as client:
        await client.delete(JOB + job.id + HISTORY)

    for last_event_id in (whole[3].id, "00000000-3"):
        back = await follow(shared_gateway, job.id, last_event_id=last_event_id)
        assert [event.json for event in messages(back.seen)] == [whole[-1].json]
        assert close_code(back.seen) == 1000
    assert (await follow(shared_gateway, job.id, last_event_id=whole[-1].id)).status == 204


@pytest.mark.parametrize("job_id", [UNKNOWN, "nonsense"])
async def test_no_such_job(shared_gateway: Gateway, job_id: str) -> None:
    opened = await follow(shared_gateway, job_id)
    assert opened.status == 404
    assert opened.headers["content-type"] == "application/problem+json"
    assert json.loads(opened.body)["code"] == "job_not_found"


async def test_below_a_prefix_and_in_capitals(shared_gateway: Gateway, job: Job) -> None:
    await job.finish()
    async with stream(shared_gateway, job.id.upper(), prefix="/a/b") as opened:
        assert close_code(await opened.until()) == 1000


async def test_other_methods(shared_gateway: Gateway, job: Job) -> None:
    async with stream(shared_gateway, job.id, method="POST") as opened:
        assert (opened.status, opened.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    async with stream(shared_gateway, job.id, method="OPTIONS", origin="https://app.example") as opened:
        assert opened.status == 204
        assert opened.headers["access-control-allow-headers"] == "last-event-id"


@pytest.mark.parametrize(
    ("message", "data"), [(b"a\nb\r\nc\rd", "a\nb\nc\nd"), ("…é".encode(), "…é"), (b"\xff", "�"), (b"", "")]
)
async def test_another_programs_message(
    shared_gateway: Gateway, shared_redis: RedisServer, job: Job, message: bytes, data: str
) -> None:
    async with stream(shared_gateway, job.id) as opened, redis_client(shared_redis) as client:
        await opened.until(is_message)
        await client.publish(CHANNEL + job.id, message)
        await job.finish()
        events = await opened.until()
    assert (events[0].data, events[0].id) == (data, "")
    assert close_code(events) == 1000


async def test_redis_away_is_a_reason_to_come_back(start_gateway: StartGateway) -> None:
    gateway = start_gateway("unix:///nowhere/redis.sock")
    await asyncio.to_thread(gateway.wait_for, "Redis is away")
    opened = await follow(gateway, UNKNOWN)
    assert opened.status == 200, "an EventSource does not come back after any other"
    assert close_code(opened.seen) == 1013
    assert len(opened.seen) == 1, "a lone event, with its data"
    assert opened.seen[0].retry is not None
    assert opened.seen[0].retry >= 5000


async def test_a_drain_ends_it_with_a_reason_and_the_cursor_goes_on(
    start_gateway: StartGateway, shared_gateway: Gateway, shared_redis: RedisServer, job: Job
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_drain_seconds="0")
    await gateway.connected()
    async with stream(gateway, job.id) as opened:
        await job.steps(0, 5)
        before = await opened.until(lambda event: bool(event.data) and event.json["data"]["progress"] == STEPS[4])
        gateway.terminate()
        end = await opened.until()
    assert (progress(end), close_code(end)) == ([], 1012)
    assert await asyncio.to_thread(gateway.wait) == 0
    await job.steps(5, 11)
    await job.finish()
    after = await follow(shared_gateway, job.id, last_event_id=messages(before)[-1].id)
    assert progress(after.seen) == STEPS[5:]


async def test_who_does_not_read_is_bounded_and_cut(impatient_gateway: Gateway, job: Job) -> None:
    with RawClient(impatient_gateway, receive_buffer=4096) as deaf:
        deaf.send(f"GET /sse/download/{job.id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert deaf.response()[0] == 200
        for number in range(300):
            await job.progress(20 + number / 100)
        await asyncio.to_thread(impatient_gateway.wait_for, "client is too slow")
        deaf.socket.settimeout(TIMEOUT)
        received = 0
        while chunk := await asyncio.to_thread(deaf.socket.recv, 65536):
            received += len(chunk)
        assert received < 100_000


async def test_a_request_on_a_connection_that_was_used_before(shared_gateway: Gateway, job: Job) -> None:
    """As reverse proxies do; and what comes behind the request is no second one."""
    await job.finish()

    def two() -> bytes:
        with RawClient(shared_gateway) as client:
            client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.response()[0] == 200
            assert client.socket.recv(len(b'{"status":"ok"}'), 0x100) == b'{"status":"ok"}'
            request = f"GET /sse/download/{job.id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            client.send(request + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            status, head = client.response()
            assert status == 200, head
            answer = b""
            while chunk := client.socket.recv(65536):
                answer += chunk
            return answer

    answer = await asyncio.to_thread(two)
    assert answer.endswith(b'event: close\ndata: {"code":1000}\n\n')
    assert b"HTTP/1.1" not in answer
