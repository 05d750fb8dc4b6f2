"""One attempt, with a child that does what it likes."""

import asyncio
from pathlib import Path

import pytest

from store.conftest import records, shared_server
from store.records import Records
from vidferry_common.bucket import BucketSettings, open_bucket
from vidferry_common.store import NewJob
from vidferry_worker.attempt import Attempt
from vidferry_worker.confinement import Confinement
from vidferry_worker.parts import Parts
from vidferry_worker.publisher import Publisher
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites import Sites
from worker.conftest import LOOPBACK
from worker.hostile import hostile_zygote
from worker.process import worker_metrics

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio


async def test_what_a_child_writes_after_its_end_changes_no_object(
    records: Records, worker_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that is given to a folder becomes the object itself."""
    told = {"bucket": f"file://{tmp_path}/bucket", "signing_key": "k" * 32}
    bucket = open_bucket(BucketSettings.model_validate(told))
    settings = WorkerSettings.model_validate({**told, "redis_url": "redis://127.0.0.1"})
    job, claim = await records.claimed(await records.created(url="https://site.example/writing_on"))
    publisher = Publisher(records.store)
    sending = asyncio.create_task(publisher.run())
    async with hostile_zygote(LOOPBACK, Confinement(), tmp_path) as zygote:
        work = tmp_path / "work"
        await asyncio.to_thread(work.mkdir)
        parts = Parts(
            settings, records.store, bucket, zygote, publisher, Sites(1, 1), worker_metrics(), early=False, folder=work
        )
        await Attempt(parts, claim).run()
        assert (await ended(records, job))["status"] == "completed"
        name = f"videos/x/site.example/1/{claim.format.canonical()}"
        stored, data = await bucket.read(name, 2 * 2**20)
    assert stored.size == len(data) == 2**20 + 12
    assert await asyncio.to_thread(lambda: list(work.iterdir())) == []
    sending.cancel()
    await bucket.close()


async def ended(records: Records, job: NewJob) -> dict[str, object]:
    record = await records.store.job(job.job_id)
    assert record
    return dict(record.state)
