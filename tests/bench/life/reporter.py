"""What it costs a worker to tell the progress of 100 running downloads, with 3 jobs attached to each, every 500 ms."""

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

from support.metrics import worker_metrics
from support.redis_server import RedisServer, redis_server
from vidferry_common.contract.formats import Format
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import DOWNLOAD_QUARTERS, DOWNLOAD_STARTED, Stage, Status
from vidferry_common.contract.trace import continue_trace
from vidferry_common.store import Claim, NewJob, RedisSettings, Store, connect_redis
from vidferry_worker.attempt.publisher import TICK, Publisher
from vidferry_worker.attempt.reporter import Reporter
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.metrics import WorkerMetrics

DOWNLOADS, WATCHED_BY = 100, 3
EVENT_SECONDS = 0.1
"""a child tells what it has got so often"""


async def claims(store: Store) -> list[Claim]:
    """Running downloads with their jobs."""
    found = []
    for _ in range(DOWNLOADS):
        download_id = str(uuid.uuid4())
        for _watcher in range(WATCHED_BY):
            job = NewJob(
                str(uuid.uuid4()), download_id, os.urandom(4).hex(), f"https://example.com/{download_id}", Format(),
                "http://localhost:3001", continue_trace(None),
            )  # fmt: skip
            await store.jobs.create(job, 100_000)
        claim = await store.leases.claim(download_id, 1, 600, "bench")
        assert claim
        found.append(claim)
    return found


def begun() -> Update:
    return Update(Status.PROCESSING, Stage.STARTED, 0, "", 1, title="A video").at_step(DOWNLOAD_STARTED)


def state(reporter: Reporter, metrics: WorkerMetrics) -> AttemptState:
    return AttemptState(begun(), reporter, metrics.new_stage_clock())


async def batched(store: Store, running: list[Claim], seconds: float) -> None:
    """As the worker does it."""
    publisher, metrics = Publisher(store), worker_metrics()
    sending = asyncio.create_task(publisher.run())
    states = [state(Reporter(publisher, claim, lambda: None, metrics), metrics) for claim in running]
    until, percent = time.monotonic() + seconds, 20.0
    while time.monotonic() < until:
        percent += 0.01
        for each in states:
            each.show_progress(progress=percent, message=DOWNLOAD_QUARTERS[0].message)
        await asyncio.sleep(EVENT_SECONDS)
    sending.cancel()


async def one_by_one(store: Store, running: list[Claim], seconds: float) -> None:
    """A call of the script for each download."""
    until, percent = time.monotonic() + seconds, 20.0
    while time.monotonic() < until:
        percent += 0.01
        for claim in running:
            await store.downloads.publish(claim, replace(begun(), progress=percent).body(), step=False)
        await asyncio.sleep(TICK)


async def events_alone(_: Store, running: list[Claim], seconds: float) -> None:
    """What the loop itself costs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _claim in running:
            replace(begun(), progress=20.0)
        await asyncio.sleep(EVENT_SECONDS)


Way = Callable[[Store, list[Claim], float], Awaitable[None]]


async def share(redis: RedisServer, way: Way, seconds: float) -> float:
    """Per cent of a core."""
    client = connect_redis(RedisSettings.model_validate({"redis_url": redis.url}))
    store = Store(client, 3600)
    running = await claims(store)
    cpu, wall = time.process_time(), time.perf_counter()
    await way(store, running, seconds)
    found = 100 * (time.process_time() - cpu) / (time.perf_counter() - wall)
    await client.aclose(close_connection_pool=True)
    return found


def rows(seconds: float) -> list[list[str]]:
    with redis_server() as redis:
        naive = asyncio.run(share(redis, one_by_one, seconds))
        ours = asyncio.run(share(redis, batched, seconds))
        loop = asyncio.run(share(redis, events_alone, seconds))
    return [
        ["a script call for each download", f"{naive:.2f}", "1"],
        ["the worker's publisher: one pipeline a tick", f"{ours:.2f}", f"{ours / naive:.2f}"],
        ["of that, the bench's own loop", f"{loop:.2f}", ""],
    ]
