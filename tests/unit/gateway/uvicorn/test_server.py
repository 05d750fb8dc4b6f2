"""A gateway that stops tells its clients to come back, and ends by itself."""

import asyncio
import signal
import subprocess
import sys
import time

import pytest
from websockets.asyncio.client import connect

from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job
from support.redis_server import RedisServer
from support.watchers import STEPS, TIMEOUT, listen, received, watch

pytestmark = pytest.mark.anyio


async def test_sigterm_closes_with_1012_and_exits_with_0(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_drain_seconds="0")
    await gateway.connected()
    store = await store_of(shared_redis)
    sockets = [await connect(gateway.uri((await Job.create(store)).id)) for _ in range(20)]
    await asyncio.gather(*(listen(each, received(1)) for each in sockets))
    sockets.append(await connect(f"ws://127.0.0.1:{gateway.port}/below/ws/downloads"))
    gateway.terminate()
    ends = await asyncio.gather(*(listen(each) for each in sockets))
    assert [end.code for end in ends] == [1012] * 21
    assert await asyncio.to_thread(gateway.wait) == 0


async def test_the_drain_is_paced_and_readiness_is_gone_at_once(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_drain_seconds="2")
    await gateway.connected()
    store = await store_of(shared_redis)
    jobs = [await Job.create(store) for _ in range(20)]
    sockets = [await connect(gateway.uri(job.id)) for job in jobs]
    await asyncio.gather(*(listen(each, received(1)) for each in sockets))

    async def closed_at(each: object) -> float:
        assert (await listen(each)).code == 1012  # type: ignore[arg-type]
        return time.monotonic()

    gateway.terminate()
    endings = [asyncio.ensure_future(closed_at(each)) for each in sockets]
    await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
    assert await asyncio.to_thread(gateway.status, "/readyz") == 503
    times = sorted(await asyncio.gather(*endings))
    assert 0.7 < times[-1] - times[0] < 4
    assert await asyncio.to_thread(gateway.wait) == 0


async def test_until_the_balancers_have_noticed_clients_are_served(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_settle_seconds="3", gateway_drain_seconds="0")
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))
    async with connect(gateway.uri(job.id)) as early:
        await listen(early, received(1))
        gateway.terminate()
        asked = time.monotonic()
        while await asyncio.to_thread(gateway.status, "/readyz") != 503:
            assert time.monotonic() < asked + 2
        async with connect(gateway.uri(job.id)) as late:
            await listen(late, received(1))
            await job.steps(0, 3)
            assert [(await listen(each, received(3))).progress for each in (early, late)] == [STEPS[:3]] * 2
            assert gateway.status("/healthz") == 200
            ends = await asyncio.gather(listen(early), listen(late))
    assert [end.code for end in ends] == [1012, 1012]
    assert time.monotonic() - asked > 2.9
    assert await asyncio.to_thread(gateway.wait) == 0


async def test_a_second_signal_waits_for_nobody(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(shared_redis.url, gateway_settle_seconds="100")
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))
    async with connect(gateway.uri(job.id)) as socket:
        await listen(socket, received(1))
        gateway.terminate()
        while await asyncio.to_thread(gateway.status, "/readyz") != 503:
            pass
        gateway.terminate()
        await listen(socket)
    assert await asyncio.to_thread(gateway.wait) == 0


async def test_a_client_that_does_not_answer_holds_up_nothing(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(
        shared_redis.url,
        gateway_drain_seconds="0",
        gateway_close_seconds="0.5",
        gateway_ping_seconds="2",
        gateway_pong_seconds="1",
    )
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))
    async with connect(gateway.uri(job.id)) as deaf:
        await listen(deaf, received(1))
        deaf.transport.pause_reading()
        gateway.terminate()
        assert await asyncio.to_thread(gateway.wait) == 0
        deaf.transport.abort()


async def test_without_clients_sigint_ends_it_at_once(start_gateway: StartGateway, shared_redis: RedisServer) -> None:
    gateway = start_gateway(shared_redis.url)
    await gateway.connected()
    gateway.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(gateway.wait) == 0
    assert "Traceback" not in gateway.log


async def test_it_ends_also_without_redis(start_gateway: StartGateway) -> None:
    gateway = start_gateway("unix:///nowhere/redis.sock")
    await asyncio.to_thread(gateway.wait_for, "Redis is away")
    assert (await watch(gateway.uri("6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"))).code == 1013
    gateway.terminate()
    assert await asyncio.to_thread(gateway.wait) == 0


UNFINISHED_START = """
import asyncio, contextlib, uvicorn
from starlette.applications import Starlette
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_gateway.gateway import Gateway
from vidferry_gateway.uvicorn.server import DrainingServer
from vidferry_gateway.settings import GatewaySettings

@contextlib.asynccontextmanager
async def lifespan(app):
    print("starting", flush=True)
    await asyncio.Event().wait()
    yield

gateway = Gateway(GatewaySettings(), Registry(Service.GATEWAY))
DrainingServer(uvicorn.Config(Starlette(lifespan=lifespan), port=0, **gateway.uvicorn_options), gateway).run()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_waits_can_be_ended(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UNFINISHED_START], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        process.send_signal(number)
        _, log = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, log
    assert "Traceback" not in log
