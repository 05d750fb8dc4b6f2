"""Leases and the queue, within one process: what Redis's outages and lost records may not break."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from arq.connections import ArqRedis

from support.redis_server import RedisServer, redis_server
from vidferry_common.contract import keys
from vidferry_common.store import RedisSettings, StoreUnavailable
from vidferry_common.store.client import connection_pool
from vidferry_worker.arq_worker import DownloadWorker
from vidferry_worker.leases import Leases
from worker.downloads import eventually, until
from worker.process import Jobs, jobs_in, worker_metrics

pytestmark = pytest.mark.anyio
URL = "https://example.com/x"


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def jobs(own_redis: RedisServer) -> AsyncIterator[Jobs]:
    async with jobs_in(own_redis) as found:
        yield found


@contextlib.asynccontextmanager
async def leasing(jobs: Jobs, lease: float) -> AsyncIterator[Leases]:
    leases = Leases(jobs.store, lease, worker_metrics())
    task = asyncio.create_task(leases.run())
    try:
        yield leases
        assert not task.done(), "it has ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_held_is_renewed(jobs: Jobs) -> None:
    job = await jobs.give(URL)
    await jobs.store.claim(job.download_id, 1, 0.5, "worker")
    first = await jobs.redis.zscore(keys.LEASES, job.download_id)

    async with leasing(jobs, 0.5) as leases:
        leases.hold(job.download_id, 1, lambda: pytest.fail("it is not lost"))
        await eventually(lambda: is_later(jobs, job.download_id, (first or 0) + 1000))  # two leases after its end

    assert await jobs.field(job, "attempt") == "1"
    assert await jobs.field(job, "deaths") == "0"


async def is_later(jobs: Jobs, download_id: str, moment: float) -> bool:
    return (await jobs.redis.zscore(keys.LEASES, download_id) or 0) > moment


async def test_what_is_lost_is_told_once(jobs: Jobs) -> None:
    lost: list[str] = []
    async with leasing(jobs, 0.3) as leases:
        leases.hold("gone", 1, lambda: lost.append("gone"))
        await until(lambda: lost)
    assert lost == ["gone"]


async def test_a_release_by_an_older_attempt_is_none(jobs: Jobs) -> None:
    job = await jobs.give(URL)
    await jobs.store.claim(job.download_id, 1, 60, "worker")
    leases = Leases(jobs.store, 60, worker_metrics())
    leases.hold(job.download_id, 1, lambda: None)
    leases.release(job.download_id, 0)
    assert leases._held
    leases.release(job.download_id, 1)
    assert not leases._held


async def test_what_nobody_holds_goes_back_on_the_queue(jobs: Jobs) -> None:
    job = await jobs.give(URL)
    await jobs.store.claim(job.download_id, 1, 0, "worker")

    async with leasing(jobs, 0.3):
        await eventually(lambda: jobs.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 2)))


async def test_leases_of_records_that_are_gone_do_not_hide_the_others(jobs: Jobs) -> None:
    """Records expire while no worker runs; the leases' set does not, and is read a few at a time."""
    job = await jobs.give(URL)
    await jobs.store.claim(job.download_id, 1, 0, "worker")
    await jobs.redis.zadd(keys.LEASES, {str(uuid.uuid4()): number for number in range(1, 16)})

    async with leasing(jobs, 0.3):
        await eventually(lambda: jobs.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 2)), 5)


async def test_an_outage_ends_nothing_and_nothing_is_reaped_right_after_it(own_redis: RedisServer, jobs: Jobs) -> None:
    job = await jobs.give(URL)
    await jobs.store.claim(job.download_id, 1, 0, "of another worker")
    async with leasing(jobs, 1.5) as leases:
        own_redis.kill()
        await until(lambda: leases._reap_from > 0)
        own_redis.start()
        back = asyncio.get_running_loop().time()
        await eventually(lambda: jobs.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 2)))
        waited = asyncio.get_running_loop().time() - back
    assert waited > 1  # of the lease, some had passed before Redis was back


@contextlib.asynccontextmanager
async def working(
    server: RedisServer, run: Callable[[str, int], Awaitable[None]], abandon: Callable[[str, int], Awaitable[None]]
) -> AsyncIterator[asyncio.Task[None]]:
    """arq's loop around run."""
    pool = ArqRedis(pool_or_conn=connection_pool(RedisSettings.model_validate({"redis_url": server.url})))
    worker = DownloadWorker(pool, run, abandon, slots=4, max_seconds=60, grace=1)
    task = asyncio.create_task(worker.async_run())
    try:
        yield task
    finally:
        worker.stop()
        await asyncio.gather(task, return_exceptions=True)
        await worker.close()


async def nothing(_: str, __: int) -> None:
    pass


async def test_a_download_survives_that_redis_is_away_when_it_is_claimed(own_redis: RedisServer, jobs: Jobs) -> None:
    """arq takes an entry off the queue when its function fails; nobody would ever claim the record then."""
    job = await jobs.give(URL)
    calls: list[tuple[str, int]] = []

    async def run(download_id: str, attempt: int) -> None:
        calls.append((download_id, attempt))
        if len(calls) == 1:
            raise StoreUnavailable

    async with working(own_redis, run, nothing):
        await until(lambda: len(calls) > 1, 6)
    assert calls == [(job.download_id, 1)] * 2


async def test_the_worker_survives_that_redis_is_away_when_it_abandons(own_redis: RedisServer, jobs: Jobs) -> None:
    job = await jobs.give(URL)
    await jobs.redis.delete(keys.ARQ_JOB + keys.arq_id(job.download_id, 1))
    ran, abandoned = asyncio.Event(), asyncio.Event()

    async def run(_: str, __: int) -> None:
        ran.set()

    async def abandon(_: str, __: int) -> None:
        abandoned.set()
        raise StoreUnavailable

    async with working(own_redis, run, abandon) as task:
        await asyncio.wait_for(abandoned.wait(), 10)
        await jobs.give(URL + "/other")
        await asyncio.wait_for(ran.wait(), 10)
        # The second look is the one that finds how the first job went.
        await eventually(lambda: is_empty(jobs))
        assert not task.done()


async def is_empty(jobs: Jobs) -> bool:
    return bool(await jobs.redis.zcard(keys.QUEUE) <= 1)


async def test_the_queue_outlives_an_outage(own_redis: RedisServer, jobs: Jobs) -> None:
    ran = asyncio.Event()

    async def run(_: str, __: int) -> None:
        ran.set()

    async with working(own_redis, run, nothing) as task:
        own_redis.restart()
        await jobs.give(URL)
        await asyncio.wait_for(ran.wait(), 15)
        assert not task.done()


async def test_a_long_queue_of_running_downloads_hides_no_waiting_one(own_redis: RedisServer, jobs: Jobs) -> None:
    """arq leaves what runs on its queue, and reads only so many of its first entries."""
    for number in range(150):
        await jobs.redis.zadd(keys.QUEUE, {f"elsewhere-{number}:1": 1000 + number})
        await jobs.redis.set(f"arq:in-progress:elsewhere-{number}:1", b"1", ex=600)
    ran = asyncio.Event()

    async def run(_: str, __: int) -> None:
        ran.set()

    async with working(own_redis, run, nothing):
        await jobs.give(URL)
        await asyncio.wait_for(ran.wait(), 5)
