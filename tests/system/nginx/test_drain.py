"""A gateway behind nginx that stops: its clients go to the other one. Here nginx is an ordinary user's."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from support.gateway_fixtures import OpenStore
from support.jobs import Job
from support.redis_server import RedisServer
from support.sse import Event, close_code, messages, progress, stream
from support.watchers import STEPS, TIMEOUT, listen, received
from system.clients.watchers import documented_module
from system.nginx.conftest import Behind, behind_nginx

pytestmark = pytest.mark.anyio

CLIENTS = 4
"""an even number: nginx gives half of them to each gateway"""


async def test_its_clients_go_to_the_other(
    shared_redis: RedisServer, store_of: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await Job.create(await store_of(shared_redis))
    program = documented_module(tmp_path)
    with behind_nginx(shared_redis, tmp_path, as_nobody=True) as behind:
        monkeypatch.setenv("SSL_CERT_FILE", str(behind.certificate))
        first = behind.gateways[0]
        told: list[list[dict[str, Any]]] = [[] for _ in range(CLIENTS)]
        url = f"{behind.sockets}/ws/download/{job.id}"
        watching = [asyncio.create_task(program.watch(url, each.append, base=0.1, cap=1)) for each in told]
        for gateway in behind.gateways:
            await asyncio.to_thread(gateway.wait_for, "subscribed to channel", job_id=job.id)
        await job.steps(0, 5)
        async with asyncio.timeout(2 * TIMEOUT):
            last = await _stream_until_it_stops(behind, job.id)
            assert await asyncio.to_thread(first.wait) == 0
            await job.steps(5, 11)
            for _ in range(CLIENTS):  # nobody new is sent to the one that has gone
                async with connect(url) as socket:
                    await listen(socket, received(11))
            await job.finish()
            await asyncio.gather(*watching)
            async with stream(behind, job.id, last_event_id=last) as back:
                rest = await back.until()
    steps = [[message["data"]["progress"] for message in each if message.get("step")] for each in told]
    assert steps == [STEPS] * CLIENTS
    assert (progress(rest), close_code(rest)) == (STEPS[5:], 1000)


async def _stream_until_it_stops(behind: Behind, job_id: str) -> str:
    """Stops the first gateway; the last id of the one of two event streams that it served."""
    async with stream(behind, job_id) as one, stream(behind, job_id) as two:
        for each in (one, two):
            await each.until(lambda event: bool(event.data) and event.json["data"]["progress"] == STEPS[4])
        behind.gateways[0].terminate()
        ends = {asyncio.create_task(each.until(_is_close)): each for each in (one, two)}
        done, others = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        (ended,) = done
        assert close_code(ended.result()) == 1012
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return messages(ends[ended].seen)[-1].id


def _is_close(event: Event) -> bool:
    return event.name == "close"
