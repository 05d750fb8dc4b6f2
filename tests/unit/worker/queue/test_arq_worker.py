"""What is changed of arq's worker, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from arq.connections import ArqRedis

from support.children import until
from support.records import Records
from support.redis_server import redis_server
from unit.common.store.conftest import records, shared_server
from vidferry_common.contract import keys
from vidferry_common.store import RedisSettings, Store, connect_redis
from vidferry_worker.queue.arq_worker import DownloadWorker

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio


@dataclass
class Stage:
    """A worker whose downloads wait, and may be picked anew at once."""

    begun: list[str] = field(default_factory=list)
    picked: list[bytes] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def worker(self, records: Records) -> DownloadWorker:
        async def pick(count: int) -> tuple[list[bytes], float | None]:
            found, _ = await records.store.queue.pick(count)
            self.picked.extend(found)
            return found, 0.05

        async def run(download_id: str, _: int) -> None:
            self.begun.append(download_id)
            await self.let_go.wait()

        pool = ArqRedis(pool_or_conn=records.redis.connection_pool, default_queue_name=keys.QUEUE)
        return DownloadWorker(pool, pick, run, may_pick=lambda: True, slots=4, max_seconds=60, grace=1)


async def test_what_is_picked_again_while_it_runs_is_not_begun_again(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an outage, through which it waited for its claim."""
    monkeypatch.setattr("vidferry_common.store.queue.PICK_SECONDS", 0.05)
    job, stage = await records.created(), Stage()
    worker = stage.worker(records)
    running = asyncio.create_task(worker.async_run())
    arq_id = keys.arq_id(job.download_id, 1)
    await until(lambda: stage.picked.count(arq_id.encode()) >= 3)
    assert stage.begun == [job.download_id]
    assert worker.job_counter == 1
    stage.let_go.set()
    await until(lambda: not worker.job_counter)
    assert await records.redis.zscore(keys.QUEUE, arq_id) is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_full_redis_holds_nothing_up(own: Records) -> None:
    """A worker begins and ends what was accepted before: no write of its own is one that Redis refuses then."""
    job, stage = await own.created(), Stage()
    await own.redis.config_set("maxmemory", 1)
    worker = stage.worker(own)
    running = asyncio.create_task(worker.async_run())
    await until(lambda: stage.begun)
    stage.let_go.set()
    await until(lambda: not worker.job_counter)
    assert await own.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 1)) is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_redis_may_be_away_when_it_starts(caplog: pytest.LogCaptureFixture) -> None:
    with redis_server() as server:
        redis = connect_redis(RedisSettings.model_validate({"redis_url": server.url}))
        away = Records(Store(redis, 3600), redis)
        server.kill()
        stage = Stage()
        worker = stage.worker(away)
        running = asyncio.create_task(worker.async_run())
        await until(lambda: running.done() or "the queue waits for Redis" in caplog.text)
        server.restart()
        job = await away.created()
        await until(lambda: stage.begun or running.done())
        assert stage.begun == [job.download_id]
        stage.let_go.set()
        await until(lambda: not worker.job_counter)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await redis.aclose(close_connection_pool=True)


@pytest.fixture
async def own() -> AsyncIterator[Records]:
    """On a Redis of its own."""
    with redis_server() as server:
        redis = connect_redis(RedisSettings.model_validate({"redis_url": server.url}))
        yield Records(Store(redis, 3600), redis)
        await redis.aclose(close_connection_pool=True)


@pytest.mark.parametrize("left", ["its task", "arq's mark"])
async def test_what_an_outage_or_a_killed_worker_left_delays_nothing(records: Records, left: str) -> None:
    job, stage = await records.created(), Stage()
    worker = stage.worker(records)
    arq_id = keys.arq_id(job.download_id, 1)
    if left == "its task":
        worker.tasks[arq_id] = asyncio.create_task(asyncio.sleep(0))
        await worker.tasks[arq_id]
    else:
        await records.redis.set(f"arq:in-progress:{arq_id}", b"1", ex=600)
    running = asyncio.create_task(worker.async_run())
    await until(lambda: stage.begun)
    assert (stage.begun, stage.picked) == ([job.download_id], [arq_id.encode()])
    stage.let_go.set()
    await until(lambda: not worker.job_counter)
    assert await records.redis.exists(f"arq:in-progress:{arq_id}") == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
