"""What is changed of arq's worker, on a real Redis."""

import asyncio

import pytest
from arq.connections import ArqRedis

from store.conftest import records, shared_server
from store.records import Records
from vidferry_common.contract import keys
from vidferry_common.store import store
from vidferry_worker.arq_worker import DownloadWorker
from worker.downloads import until

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio


async def test_what_is_picked_again_while_it_runs_is_not_begun_again(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an outage, through which it waited for its claim."""
    monkeypatch.setattr(store, "PICK_SECONDS", 0.05)
    begun: list[str] = []
    picked: list[bytes] = []
    let_go = asyncio.Event()

    async def pick(count: int) -> tuple[list[bytes], float | None]:
        found, _ = await records.store.pick(count, 0)
        picked.extend(found)
        return found, 0.05

    async def run(download_id: str, _: int) -> None:
        begun.append(download_id)
        await let_go.wait()

    async def abandon(download_id: str, attempt: int) -> None:
        raise AssertionError(download_id, attempt)

    job = await records.created()
    pool = ArqRedis(pool_or_conn=records.redis.connection_pool, default_queue_name=keys.QUEUE)
    worker = DownloadWorker(pool, pick, run, abandon, slots=4, max_seconds=60, grace=1)
    running = asyncio.create_task(worker.async_run())
    arq_id = keys.arq_id(job.download_id, 1)
    await until(lambda: picked.count(arq_id.encode()) >= 3)
    assert begun == [job.download_id]
    assert worker.job_counter == 1
    let_go.set()
    await until(lambda: not worker.job_counter)
    assert await records.redis.zscore(keys.QUEUE, arq_id) is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
