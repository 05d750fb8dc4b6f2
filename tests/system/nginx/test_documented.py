"""nginx with the configuration that docs/operations.md has: TLS, a path, two gateways."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator

import httpx2
import pytest
from websockets.asyncio.client import connect

from support.gateway_fixtures import OpenStore
from support.jobs import Job
from support.redis_server import RedisServer
from support.sse import close_code, progress, stream
from support.watchers import STEPS, TIMEOUT, listen, received, watch
from system.nginx.conftest import SHORT, Behind
from vidferry_gateway.settings import GatewaySettings

# In one process: they share nginx and all behind it.
pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("nginx")]

ORDER = {"url": "https://videos.example/watch?v=1"}


@pytest.fixture
async def job(shared_redis: RedisServer, store_of: OpenStore) -> Job:
    return await Job.create(await store_of(shared_redis))


@pytest.fixture
async def web(trusted: Behind) -> AsyncIterator[httpx2.AsyncClient]:
    context = ssl.create_default_context(cafile=trusted.certificate)
    async with httpx2.AsyncClient(verify=context, timeout=TIMEOUT) as client:
        yield client


async def test_page_and_api(trusted: Behind, web: httpx2.AsyncClient) -> None:
    bare = await web.get(trusted.url)
    assert (bare.status_code, bare.headers["location"]) == (308, f"{trusted.url}/")
    assert "<title>Vidferry</title>" in (await web.get(f"{trusted.url}/")).text
    assert (await web.get(f"{trusted.url}/static/progress.js")).headers["content-type"].startswith("text/javascript")
    assert (await web.get(f"{trusted.url}/api/jobs/none")).status_code == 404


async def test_a_job_from_its_order_to_its_end(trusted: Behind, web: httpx2.AsyncClient) -> None:
    accepted = (await web.post(f"{trusted.url}/api/download", json=ORDER)).json()
    job_id = accepted["job_id"]
    assert accepted["ws_url"] == f"{trusted.sockets}/ws/download/{job_id}"
    assert accepted["events_url"] == f"{trusted.url}/sse/download/{job_id}"
    async with connect(accepted["ws_url"]) as socket:
        await listen(socket, received(1))
        assert (await web.delete(accepted["status_url"])).status_code == 200
        seen = await listen(socket)
    assert (seen.messages[-1]["data"]["status"], seen.code) == ("cancelled", 1000)


async def test_no_query_comes_into_its_log(trusted: Behind, web: httpx2.AsyncClient, job: Job) -> None:
    for path in ("/api/jobs/x/file", "/static/app.js", "/ws/downloads", "/nowhere"):
        await web.get(f"{trusted.url}{path}?ticket=a-secret&signature=a-secret")
    async with connect(f"{trusted.sockets}/ws/download/{job.id}?ticket=a-secret") as socket:
        await listen(socket, received(1))
    while "/vidferry/nowhere" not in (written := await asyncio.to_thread(trusted.access_log.read_text)):
        pass  # nginx writes an entry after the response
    assert "a-secret" not in written


async def test_a_socket(trusted: Behind, job: Job) -> None:
    async with connect(f"{trusted.sockets}/ws/download/{job.id}") as socket:
        await listen(socket, received(1))
        for step in range(11):
            await job.steps(step, step + 1)
            assert (await listen(socket, received(1))).progress == [STEPS[step]]
        await job.finish()
        seen = await listen(socket)
    assert (seen.progress, seen.code) == ([100], 1000)


async def test_an_event_stream_is_not_held_back(trusted: Behind, job: Job) -> None:
    """Each event is there before the next is published, whatever buffers nginx has."""
    async with stream(trusted, job.id) as events:
        assert "x-accel-buffering" not in events.headers, "nginx obeys it, and keeps it"
        await events.until(lambda event: bool(event.data))
        for step in range(11):
            await job.steps(step, step + 1)
            assert progress(await events.until(lambda event: bool(event.data))) == [STEPS[step]]
        await job.finish()
        rest = await events.until()
    assert (progress(rest), close_code(rest)) == ([100], 1000)


async def test_many_jobs_on_one_socket(trusted: Behind, job: Job) -> None:
    async with connect(f"{trusted.sockets}/ws/downloads") as socket:
        await socket.send(json.dumps({"type": "subscribe", "jobs": {job.id: None}}))
        await listen(socket, received(1))
        await job.steps(0, 11)
        await job.finish()
        assert (await listen(socket, received(12))).progress == STEPS


async def test_silence_outlasts_the_read_timeout(trusted: Behind, job: Job) -> None:
    """Pings keep a job's connection that has nothing to tell, twice as long as nginx waits for a byte."""
    assert GatewaySettings.model_fields["gateway_ping_seconds"].default * 3 == 75, "as the document has it"
    loop = asyncio.get_running_loop()
    async with connect(f"{trusted.sockets}/ws/download/{job.id}?pings=1") as socket, stream(trusted, job.id) as events:
        began = loop.time()
        while loop.time() - began < 2 * SHORT:
            await listen(socket, received(1))
            await events.until(lambda _: True)
        await job.finish()
        seen, rest = await listen(socket), await events.until()
    assert (seen.code, close_code(rest)) == (1000, 1000)


async def test_whom_the_gateway_lets_in(trusted: Behind) -> None:
    """What it refuses passes nginx as a close code."""
    assert (await watch(f"{trusted.sockets}/ws/download/none")).code == 4504
