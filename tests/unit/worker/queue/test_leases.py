"""Leases and the queue, within one process: what Redis's outages and lost records may not break."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from arq.connections import ArqRedis

from support.children import eventually, until
from support.jobs import Jobs
from support.metrics import worker_metrics
from support.records import Records
from support.redis_server import RedisServer, redis_server
from unit.common.store.conftest import records, shared_server
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.stages import DOWNLOAD_STARTED, STARTED
from vidferry_common.store import DownloadRecord, Ending, RedisSettings, Store, StoreUnavailable, connect_redis
from vidferry_common.store.client import connection_pool
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.queue.arq_worker import DownloadWorker
from vidferry_worker.queue.leases import Leases
from vidferry_worker.queue.reaper import MISSED_LOOKS, OUTAGE_SHARE, LeaseReaper
from vidferry_worker.queue.runner import Runner

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio
URL = "https://example.com/x"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Of each test's own: they take it away."""
    with redis_server() as server:
        yield server


@contextlib.asynccontextmanager
async def running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
        assert not any(task.done() for task in tasks), "it has ended by itself"
    finally:
        await ended(*tasks)


async def ended(*tasks: asyncio.Task[None]) -> None:
    """Asks until they end: redis-py sends within asyncio.wait_for, which before Python 3.12 may lose a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)


def keeping(jobs: Jobs, lease: float, worker: str = "worker") -> Coroutine[Any, Any, None]:
    return LeaseReaper(jobs.store, worker, lease, worker_metrics()).run()


async def test_what_is_held_is_renewed(jobs: Jobs) -> None:
    job = await jobs.give(URL)
    await jobs.store.leases.claim(job.download_id, 1, 0.5, "worker")
    first = await jobs.redis.zscore(keys.LEASES, job.download_id)

    leases = Leases(jobs.store, "worker", 0.5)
    leases.hold(job.download_id, 1, lambda: pytest.fail("it is not lost"))
    async with running(leases.renew_leases(), keeping(jobs, 0.5)):
        await eventually(lambda: is_later(jobs, job.download_id, (first or 0) + 1000))  # two leases after its end

    assert await jobs.field(job, "attempt") == "1"
    assert await jobs.field(job, "worker_losses") == "0"


async def is_later(jobs: Jobs, download_id: str, moment: float) -> bool:
    return (await jobs.redis.zscore(keys.LEASES, download_id) or 0) > moment


async def test_what_is_lost_is_told_once(jobs: Jobs) -> None:
    lost: list[str] = []
    leases = Leases(jobs.store, "worker", 0.3)
    leases.hold("gone", 1, lambda: lost.append("gone"))
    async with running(leases.renew_leases()):
        await until(lambda: lost)
    assert lost == ["gone"]


async def test_what_nobody_wants_any_more_learns_it_without_waiting_for_its_lease(jobs: Jobs) -> None:
    job, other = await jobs.give(URL), await jobs.give(URL + "/other")
    stopped = asyncio.Event()
    leases = Leases(jobs.store, "worker", 600)
    for given, on_lost in ((job, stopped.set), (other, lambda: pytest.fail("it goes on"))):
        await jobs.store.leases.claim(given.download_id, 1, 600, "worker")
        leases.hold(given.download_id, 1, on_lost)
    async with running(leases.listen_for_cancellations()):
        await jobs.cancel(job)
        await asyncio.wait_for(stopped.wait(), 5)


async def test_a_stop_of_an_earlier_attempt_is_none(jobs: Jobs) -> None:
    leases = Leases(jobs.store, "worker", 600)
    job = await jobs.give(URL)
    leases.hold(job.download_id, 2, lambda: pytest.fail("it goes on"))
    await jobs.store.leases.claim(job.download_id, 1, 600, "worker")
    await jobs.cancel(job)
    async with running(leases.listen_for_cancellations()):
        await eventually(lambda: nothing_of(jobs, keys.CANCELLATIONS))


async def nothing_of(jobs: Jobs, prefix: str) -> bool:
    return not await jobs.redis.keys(prefix + "*")


async def test_a_release_by_an_older_attempt_is_none(jobs: Jobs) -> None:
    job = await jobs.give(URL)
    await jobs.store.leases.claim(job.download_id, 1, 60, "worker")
    leases = Leases(jobs.store, "worker", 60)
    leases.hold(job.download_id, 1, lambda: None)
    leases.release(job.download_id, 0)
    assert leases._held
    leases.release(job.download_id, 1)
    assert not leases._held


async def test_a_stopped_worker_ends_also_where_its_cancellation_was_lost(redis: RedisServer) -> None:
    looking, lost = asyncio.Event(), asyncio.Event()

    async def pick(_: int) -> tuple[list[bytes], float | None]:
        looking.set()
        with contextlib.suppress(asyncio.CancelledError):
            await lost.wait()
        return [], None

    async with working(redis, nothing, pick) as task:
        await asyncio.wait_for(looking.wait(), 10)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.done()


async def test_what_nobody_holds_goes_back_on_the_queue(jobs: Jobs) -> None:
    job = await jobs.give(URL)
    await jobs.store.leases.claim(job.download_id, 1, 0, "worker")

    async with running(keeping(jobs, 0.3)):
        await eventually(lambda: jobs.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 2)))


async def test_leases_of_records_that_are_gone_do_not_hide_the_others(jobs: Jobs) -> None:
    """Records expire while no worker runs; the leases' set does not, and is read a few at a time."""
    job = await jobs.give(URL)
    await jobs.store.leases.claim(job.download_id, 1, 0, "worker")
    await jobs.redis.zadd(keys.LEASES, {str(uuid.uuid4()): number for number in range(1, 16)})

    async with running(keeping(jobs, 0.3)):
        await eventually(lambda: jobs.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 2)), 5)


async def test_an_outage_ends_nothing_and_nothing_is_reaped_right_after_it(redis: RedisServer, jobs: Jobs) -> None:
    job = await jobs.give(URL)
    async with running(keeping(jobs, 1.5)):
        await eventually(lambda: jobs.redis.exists(keys.LEADER))
        redis.kill()
        await asyncio.sleep(0.8)  # more than half a lease: that long an outage counts as one
        redis.start()
        back = asyncio.get_running_loop().time()
        await jobs.store.leases.claim(job.download_id, 1, 0, "of another worker")  # its lease has ended
        await eventually(lambda: jobs.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 2)))
        waited = asyncio.get_running_loop().time() - back
    assert waited > 0.7  # a lease, less what passed before it was known that Redis is back


@pytest.mark.parametrize("ending", ["finished", "cancelled"])
async def test_what_ends_just_before_it_is_reaped_is_left_alone(jobs: Jobs, ending: str) -> None:
    job = await jobs.give(URL)
    claim = await jobs.store.leases.claim(job.download_id, 1, 0, "worker")
    assert claim is not None
    if ending == "finished":
        await jobs.store.downloads.finish(claim, claim.last.as_failed(ErrorCode.NETWORK).body(), Ending())
    else:
        record = await jobs.store.jobs.read(job.job_id)
        assert record is not None
        await jobs.store.jobs.cancel(record)
    metrics = worker_metrics()
    await LeaseReaper(jobs.store, "another", 1, metrics)._requeue_download(job.download_id)
    left = await jobs.store.jobs.read(job.job_id)
    assert left is not None
    assert left.status == ("failed" if ending == "finished" else "cancelled")


async def test_a_worker_that_tells_something_is_not_lost(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage it may send its progress before it renews its lease, when the reaper has read the record."""
    job, claim = await records.claimed()
    await records.step(claim, STARTED)
    await records.end_lease(job.download_id)
    read = records.store.downloads.read

    async def read_too_early(download_id: str) -> DownloadRecord | None:
        found = await read(download_id)
        await records.step(claim, DOWNLOAD_STARTED)
        return found

    monkeypatch.setattr(records.store.downloads, "read", read_too_early)
    await LeaseReaper(records.store, "another", 1, worker_metrics())._requeue_download(job.download_id)
    assert (await records.download(job.download_id)).status == "running"
    assert (await records.state(job.job_id))["data"]["progress"] == DOWNLOAD_STARTED.progress


@pytest.mark.parametrize("lease", [1, 2, 6, 12, 30, 600])
def test_a_leaders_death_is_no_outage(lease: float) -> None:
    """Else nothing would be reaped for one lease more."""
    no_store: Any = None
    tick = LeaseReaper(no_store, "worker", lease, worker_metrics())._interval
    assert (MISSED_LOOKS + 1) * tick <= OUTAGE_SHARE * lease * 2 / 3


@contextlib.asynccontextmanager
async def working(
    server: RedisServer,
    run: Callable[[str, int], Awaitable[None]],
    pick: Callable[[int], Awaitable[tuple[list[bytes], float | None]]] | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """arq's loop around run."""
    settings = RedisSettings.model_validate({"redis_url": server.url})
    pool, store = ArqRedis(pool_or_conn=connection_pool(settings)), Store(connect_redis(settings), 3600)
    worker = DownloadWorker(
        pool, pick or store.queue.pick, run, may_pick=lambda: True, slots=4, max_seconds=60, grace=1
    )
    task = asyncio.create_task(worker.async_run())
    try:
        yield task
    finally:
        worker.stop()
        await asyncio.gather(task, return_exceptions=True)
        await worker.close()
        await store.close()


async def nothing(_: str, __: int) -> None:
    pass


async def test_a_claim_outlives_an_outage(redis: RedisServer, jobs: Jobs) -> None:
    """arq takes an entry off the queue when its function fails; nobody would ever claim the record then."""
    job = await jobs.give(URL)
    settings = SimpleNamespace(worker_name="worker", lease=60)
    context: Any = SimpleNamespace(store=jobs.store, settings=settings, metrics=worker_metrics())
    redis.kill()
    claiming = asyncio.create_task(Runner(context, Publisher(jobs.store))._claim_attempt(job.download_id, 1))
    with pytest.raises(StoreUnavailable):
        await jobs.store.ping()  # as long as this takes, so long has the claim been tried
    assert not claiming.done()
    redis.start()
    await asyncio.wait_for(claiming, 15)
    assert await jobs.field(job, "attempt") == "1"


async def test_an_attempt_that_breaks_off_ends_alone(redis: RedisServer, jobs: Jobs) -> None:
    await jobs.give(URL)
    begun: list[str] = []

    async def run(download_id: str, _: int) -> None:
        begun.append(download_id)
        if len(begun) == 1:
            raise StoreUnavailable

    async with working(redis, run) as task:
        await eventually(lambda: is_empty(jobs))
        await jobs.give(URL + "/other")
        await eventually(lambda: two(begun))
        await eventually(lambda: is_empty(jobs))
        assert not task.done()


async def two(begun: list[str]) -> bool:
    return len(begun) == 2


async def is_empty(jobs: Jobs) -> bool:
    return not await jobs.redis.zcard(keys.QUEUE)


async def test_the_queue_outlives_an_outage(redis: RedisServer, jobs: Jobs) -> None:
    ran = asyncio.Event()

    async def run(_: str, __: int) -> None:
        ran.set()

    async with working(redis, run) as task:
        redis.restart()
        await jobs.give(URL)
        await asyncio.wait_for(ran.wait(), 15)
        assert not task.done()
