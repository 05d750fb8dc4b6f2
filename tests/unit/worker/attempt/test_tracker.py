"""The order in which a download's steps and its progress are told."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from support.metrics import worker_metrics
from support.records import Records, at, progress
from unit.common.store.conftest import records, shared_server
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.stages import DOWNLOAD_STARTED
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.attempt.reporter import Reporter
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.attempt.tracker import DownloadTracker
from vidferry_worker.children.protocol import Done, FileDescription, FoundStream, Progress

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio
DONE = Done(FileDescription("media.mp4", "mov", "isom", [], video=True, duration=1.0), None)


def fetched(stream: int, fragment: int, *, finished: bool = False) -> Progress:
    return Progress(stream, finished, downloaded=fragment * 1000, fragment=fragment, fragments=6)


def tracker(state: AttemptState, *, max_bytes: int = 10**9, **settings_of: float) -> DownloadTracker:
    told = {"max_bytes": max_bytes, "stall_seconds": 30, "min_rate": 0, "min_rate_seconds": 30, **settings_of}
    settings: Any = SimpleNamespace(**told)
    extraction: Any = SimpleNamespace(streams=[FoundStream(), FoundStream()])
    return DownloadTracker(state, extraction, settings, worker_metrics(), settings.max_bytes)


async def test_progress_beyond_a_quarter_is_told_after_its_step_and_is_not_lost(records: Records) -> None:
    job, claim = await records.claimed()
    await records.listen(job.job_id)
    publisher, metrics = Publisher(records.store), worker_metrics()
    sending = asyncio.create_task(publisher.run())
    reporter = Reporter(publisher, claim, lambda: None, metrics)
    followed = tracker(AttemptState(at(DOWNLOAD_STARTED), reporter, metrics.new_stage_clock()))
    for each in (fetched(0, 4), fetched(0, 5), fetched(0, 6, finished=True), fetched(1, 6, finished=True), DONE):
        followed.take_report(each)
        await reporter.flush()
    sending.cancel()
    shown = progress(await records.heard(job.job_id))
    assert shown == [35, 40, 45, 50, 65, 80, 85, 90]
    assert progress(await records.history(job.job_id)) == [35, 50, 65, 80, 85, 90]


async def test_a_download_of_too_many_bytes_fails(records: Records) -> None:
    _, claim = await records.claimed()
    metrics = worker_metrics()
    reporter = Reporter(Publisher(records.store), claim, lambda: None, metrics)
    followed = tracker(AttemptState(at(DOWNLOAD_STARTED), reporter, metrics.new_stage_clock()), max_bytes=3000)
    followed.take_report(fetched(0, 3))
    with pytest.raises(JobFailure) as failure:
        followed.take_report(fetched(1, 1))
    assert failure.value.code is ErrorCode.TOO_LARGE


async def test_a_silence_is_no_low_rate(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may last as long as the stall time says."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("vidferry_worker.attempt.tracker.time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr("vidferry_worker.attempt.stall.time", SimpleNamespace(monotonic=lambda: clock.now))
    _, claim = await records.claimed()
    metrics = worker_metrics()
    reporter = Reporter(Publisher(records.store), claim, lambda: None, metrics)
    state = AttemptState(at(DOWNLOAD_STARTED), reporter, metrics.new_stage_clock())
    followed = tracker(state, stall_seconds=600, min_rate=1024)
    for now in (31, 599):
        clock.now = now
        followed.take_report(None)
    clock.now = 601
    with pytest.raises(JobFailure) as failure:
        followed.take_report(None)
    assert failure.value.code is ErrorCode.STALLED
