"""The documented Python client by itself."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.gateway_fixtures import StartGateway
from support.jobs import Job, redis_client
from support.redis_server import RedisServer
from support.watchers import STEPS, TIMEOUT
from system.clients.watchers import Python, documented_module
from system.clients.world import World
from system.page.scripted import Scripted, scripted_server, state
from vidferry_common.store import Store

UNKNOWN = "00000000-0000-4000-8000-00000000ffff"
MINUTE = 60.0
"""of the clock by which it waits before it comes again; the test moves that, the connections are real"""
CAP = 15


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script


def test_the_program(told: World, start_gateway: StartGateway, shared_redis: RedisServer, tmp_path: Path) -> None:
    gateway = start_gateway(shared_redis.url)
    gateway.wait_for("connected to Redis")
    told.steps(0, 11)
    program = Python(tmp_path, gateway.uri(told.job.id), driver="")
    program.wait_for_steps(11)
    told.finish()
    program.wait_for_end()
    assert (program.process.returncode, program.steps()) == (0, STEPS)
    assert program.close() == ""

    refused = Python(tmp_path, gateway.uri(UNKNOWN), driver="")
    refused.wait_for_end()
    assert refused.process.returncode == 1
    assert refused.close() == "There is no such job. Refused: 4504\n"

    for wrong in (f"ws://127.0.0.1:{gateway.port}/nowhere/{told.job.id}", f"{gateway.url}/ws/download/{told.job.id}"):
        lost = Python(tmp_path, wrong, driver="")
        lost.wait_for_end()
        assert lost.process.returncode == 1
        said = lost.close()
        assert said.count("\n") == 1
        assert ("Refused: 404" in said) == ("/nowhere/" in wrong)


def test_close_codes_in_python(server: Scripted, tmp_path: Path) -> None:
    """Those of the module are in tests/system/page."""
    program = Python(tmp_path, f"{server.ws_root}/ws/download/job-1")
    codes = [1001, 1011, 1012, 1013, 4008, 4429]
    for seq, code in enumerate(codes, 1):
        socket = server.socket()
        assert socket.after == (f"0000e1e1-{seq - 1}" if seq > 1 else None)
        for known in range(max(seq - 1, 1), seq + 1):  # who comes back is told the state again
            socket.send(state(known, "started", 5, "Processing started"))
        socket.close(code)
    server.socket().close(4503)
    program.wait_for_end()
    assert [line["data"]["seq"] for line in program.lines] == [1, 2, 3, 4, 5, 6]
    assert program.close().rstrip().endswith("Refused: 4503")


@pytest.mark.anyio
@pytest.mark.parametrize("final", [200, 404])
async def test_statuses_in_the_place_of_a_websocket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, final: int
) -> None:
    """What a proxy answers while nobody is behind it is tried again; what a repetition can't change is not."""
    program = documented_module(tmp_path)
    statuses = [502, 503, 504, 429, 408, 425, final]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {statuses.pop(0)} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    monkeypatch.setattr(program, "sleep", sleep)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener, asyncio.timeout(TIMEOUT):
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(program.Refused) as refused:
            await program.watch(f"ws://127.0.0.1:{port}/ws/download/x", print)
    assert refused.value.args == (final,)
    assert len(slept) == 6
    assert slept[3] >= CAP / 2, "too many"
    assert statuses == []


def test_too_many_comes_back_later_in_python(tmp_path: Path) -> None:
    """Not before half of the largest delay."""
    program = documented_module(tmp_path)
    later = [program._delay(4429, 0, 0.5, 15) for _ in range(100)]
    sooner = [program._delay(1012, 0, 0.5, 15) for _ in range(100)]
    assert 7.5 <= min(later) <= max(later) <= 15
    assert 0 <= min(sooner) <= max(sooner) <= 0.5
    assert max(sooner) - min(sooner) > 0.25, "full jitter"


@pytest.mark.anyio
async def test_a_minute_without_a_gateway(
    start_gateway: StartGateway, shared_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = start_gateway(shared_redis.url)
    await gateway.connected()
    program = documented_module(tmp_path)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if sum(slept) >= MINUTE and gateway.process.poll() is not None and len(started) == 1:
            started.append(await asyncio.to_thread(start_gateway, shared_redis.url, gateway_port=str(gateway.port)))
            await started[-1].connected()

    monkeypatch.setattr(program, "sleep", sleep)
    started = [gateway]
    messages: list[dict[str, Any]] = []
    async with redis_client(shared_redis) as client, asyncio.timeout(TIMEOUT * 2):
        job = await Job.create(Store(client, 3600))
        await job.steps(0, 3)
        three = asyncio.Event()

        def take(message: dict[str, Any]) -> None:
            messages.append(message)
            if len(messages) == 3:
                three.set()

        watching = asyncio.create_task(program.watch(gateway.uri(job.id), take))
        await three.wait()
        gateway.close()
        await job.steps(3, 11)
        await job.finish()
        last = await watching
    assert [message["data"]["progress"] for message in messages] == STEPS
    assert last["status"] == "completed"
    assert len(slept) >= MINUTE / CAP
    assert all(0 <= each <= CAP for each in slept)
