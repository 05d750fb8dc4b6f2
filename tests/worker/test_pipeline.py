"""The order in which a download's steps and its progress are told."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store.conftest import records, shared_server
from store.records import Records, at, progress
from vidferry_common.contract.stages import DOWNLOAD_STARTED, UPLOADING
from vidferry_worker.attempt.pipeline import Pipeline
from vidferry_worker.attempt.progress import Sending, Transfer
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.attempt.reporter import Reporter
from worker.process import worker_metrics

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio


def event(stream: int, fragment: int, *, finished: bool = False) -> dict[str, Any]:
    return {"stream": stream, "downloaded": fragment * 1000, "fragment": fragment, "fragments": 6, "finished": finished}


async def test_progress_beyond_a_quarter_is_told_after_its_step_and_is_not_lost(records: Records) -> None:
    job, claim = await records.claimed()
    await records.listen(job.job_id)
    publisher = Publisher(records.store)
    sending = asyncio.create_task(publisher.run())
    reporter = Reporter(publisher, claim, at(DOWNLOAD_STARTED), lambda: None, worker_metrics())
    context: Any = SimpleNamespace(settings=SimpleNamespace(max_bytes=10**9), metrics=worker_metrics())
    no_child: Any = None
    pipeline = Pipeline(context, claim, reporter, no_child, Path())
    transfer, told = Transfer([{}, {}]), 0
    for each in (event(0, 4), event(0, 5), event(0, 6, finished=True), event(1, 6, finished=True)):
        transfer.update(each, 0)
        told = pipeline._tell_transfer(transfer, told)
        await reporter.flush()
    sending.cancel()
    shown = progress(await records.heard(job.job_id))
    assert shown == [35, 40, 45, 50, 65, 80, 85]
    assert progress(await records.history(job.job_id)) == [35, 50, 65, 80, 85]


async def test_an_upload_that_begins_anew_does_not_take_the_bar_back(records: Records) -> None:
    """As after an early one that is not kept: its bytes are counted once."""
    _, claim = await records.claimed()
    metrics = worker_metrics()
    reporter = Reporter(Publisher(records.store), claim, at(UPLOADING), lambda: None, metrics)
    context: Any = SimpleNamespace(metrics=metrics)
    no_child: Any = None
    pipeline = Pipeline(context, claim, reporter, no_child, Path())
    pipeline._tell_upload(800)
    assert reporter.update.progress == 92, "nothing is shown before it is known how much there is"
    for sending, sent, shown in ((Sending(1000, 800, 0), 950, 97.7), (Sending(1000, 0, 0), 100, 97.7)):
        pipeline._sending = sending
        pipeline._tell_upload(sent)
        assert reporter.update.progress == pytest.approx(shown)
    pipeline._tell_upload(1000)
    assert reporter.update.progress == pytest.approx(97.7), "all is the next step"
    assert metrics.uploaded.values == {(): 1000}
