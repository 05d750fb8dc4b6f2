"""From a POST to the first `processing`, on an idle worker; and what an idle worker asks of Redis."""

import asyncio
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from arq import create_pool
from arq.connections import RedisSettings as ArqSettings

from bench.life.product import ear, ended, post, product
from bench.report import median, percentile
from support.redis_server import RedisServer, redis_server
from vidferry_common.store import RedisSettings, connect_redis

IDLE_SECONDS = 20


@dataclass(frozen=True)
class Idle:
    """What Redis does while nothing is to be done."""

    commands: float
    """a second, those within scripts included"""
    cpu: float
    """share of a core, its own timers included"""


async def idle_load(redis: RedisServer) -> Idle:
    client = connect_redis(RedisSettings.model_validate({"redis_url": redis.url}))
    before, begun = await client.info("all"), time.perf_counter()
    await asyncio.sleep(IDLE_SECONDS)
    after, seconds = await client.info("all"), time.perf_counter() - begun
    await client.aclose(close_connection_pool=True)

    def grown(*fields: str) -> float:
        return sum(float(after[field]) - float(before[field]) for field in fields) / seconds

    return Idle(grown("total_commands_processed") - 1 / seconds, grown("used_cpu_sys", "used_cpu_user"))


async def vidferry(samples: int) -> tuple[list[float], Idle]:
    """Milliseconds from each POST, and what an idle worker costs."""
    found = []
    with product() as (running, origin):
        async with ear(running.redis) as heard, httpx2.AsyncClient(base_url=running.api.url, timeout=30) as client:
            for number in range(samples):
                await asyncio.sleep(random.uniform(0, 0.5))
                job_id, begun = await post(client, f"{origin.address}/status/404?n={number}")
                found.append(1000 * (await heard.first(job_id, lambda data: data["status"] == "processing") - begun))
                await heard.first(job_id, ended)
        idle = await idle_load(running.redis)
    return found, idle


@contextmanager
def arq_worker(redis: RedisServer) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "arq", "bench.life.plain_arq.WorkerSettings"],
        cwd=Path(__file__).parents[2],
        env={"PLAIN_ARQ_SOCKET": str(redis.socket_path), "PATH": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


async def arq(samples: int) -> tuple[list[float], Idle]:
    """As above, of arq as it comes, with a job that does nothing but say that it has begun; without HTTP."""
    found = []
    with redis_server() as redis, arq_worker(redis):
        pool = await create_pool(ArqSettings(unix_socket_path=str(redis.socket_path)))
        async with ear(redis) as heard:
            for number in range(samples + 1):
                await asyncio.sleep(random.uniform(0, 0.5))
                job_id, begun = str(uuid.uuid4()), time.perf_counter()
                await pool.enqueue_job("begin", job_id)
                moment = await heard.first(job_id, lambda data: data["status"] == "processing")
                if number:  # the first one waits for the worker's start
                    found.append(1000 * (moment - begun))
        idle = await idle_load(redis)
        await pool.aclose(close_connection_pool=True)
    return found, idle


def rows(samples: int) -> list[list[str]]:
    """One of each."""
    made = []
    for name, (found, idle) in (
        ("arq as it comes, without HTTP", asyncio.run(arq(samples))),
        ("Vidferry, POST by HTTP", asyncio.run(vidferry(samples))),
    ):
        made.append(
            [name, f"{median(found):.1f}", f"{percentile(found, 0.99):.1f}", f"{idle.commands:.2f}", f"{idle.cpu:.2%}"]
        )
    return made
