"""What is told of an upload."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.metrics import worker_metrics
from support.records import Records, at
from unit.common.store.conftest import records, shared_server
from vidferry_common.contract.stages import UPLOADING
from vidferry_worker.attempt.progress import UploadProgress
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.attempt.reporter import Reporter
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.attempt.uploader import Uploader

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio


async def test_an_upload_that_begins_anew_does_not_take_the_bar_back(records: Records) -> None:
    """As after a speculative one that is not kept: its bytes are counted once."""
    _, claim = await records.claimed()
    metrics = worker_metrics()
    reporter = Reporter(Publisher(records.store), claim, lambda: None, metrics)
    state = AttemptState(at(UPLOADING), reporter, metrics.new_stage_clock())
    context: Any = SimpleNamespace(metrics=metrics)
    no_results: Any = None
    uploader = Uploader(context, state, no_results, Path(), 1 << 40)
    uploader._show_sent(800)
    assert state.current.progress == 92, "nothing is shown before it is known how much there is"
    for sending, sent, shown in ((UploadProgress(1000, 800, 0), 950, 97.7), (UploadProgress(1000, 0, 0), 100, 97.7)):
        uploader._progress = sending
        uploader._show_sent(sent)
        assert state.current.progress == pytest.approx(shown)
    uploader._show_sent(1000)
    assert state.current.progress == pytest.approx(97.7), "all is the next step"
    assert metrics.uploaded.values == {(): 1000}
