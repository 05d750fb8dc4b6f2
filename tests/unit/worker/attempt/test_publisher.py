"""The publisher, on a real Redis."""

import asyncio
from collections.abc import Sequence

import pytest

from support.metrics import worker_metrics
from support.records import Records, at
from unit.common.store.conftest import records, shared_server
from vidferry_common.contract.stages import DOWNLOAD_STARTED, INFO, STARTED
from vidferry_common.store import Publication
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.attempt.reporter import Reporter

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio


async def test_the_order_of_messages_holds_where_redis_takes_the_later_ones_of_a_pipeline_first(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it has been restarted, and another worker sends the script that the first one was refused for."""
    publish_all = records.store.downloads.publish_all

    async def publish_from_the_end(publications: Sequence[Publication]) -> list[list[str] | None]:
        return (await publish_all(publications[::-1]))[::-1]

    monkeypatch.setattr(records.store.downloads, "publish_all", publish_from_the_end)
    job, claim = await records.claimed()
    await records.listen(job.job_id)
    publisher = Publisher(records.store)
    reporter = Reporter(publisher, claim, lambda: None, worker_metrics())
    for step in (STARTED, INFO, DOWNLOAD_STARTED):
        reporter.send_step(at(step))
    reporter.send_progress(at(DOWNLOAD_STARTED, downloaded_bytes=1))
    sending = asyncio.create_task(publisher.run())
    await reporter.flush()
    sending.cancel()
    told = [message["data"] for message in await records.heard(job.job_id)]
    shown = [(each["progress"], each["downloaded_bytes"]) for each in told]
    assert shown == [(5, None), (10, None), (20, None), (20, 1)]
