"""Resumable uploads when the service, the network or the caller fails in between."""

import asyncio
import io
import itertools
import time

import pytest

from support.children import until
from support.faults import Gate
from support.gcs import Gcs
from support.sources import MIB, NAME, pattern, put
from unit.common.bucket.conftest import OpenGcs
from vidferry_common.bucket import BucketError, StorageDenied, StorageUnavailable, Upload, patience
from vidferry_common.bucket.gcs import GcsBucket
from vidferry_common.bucket.gcs.client import TIMEOUT
from vidferry_common.bucket.patience import RetryPolicy

pytestmark = pytest.mark.anyio

SIZE = 20 * MIB
DATA = pattern(SIZE)


async def _check_whole(cloud: GcsBucket) -> None:
    stored, data = await cloud.read(NAME, SIZE)
    assert data == DATA
    assert stored.size == SIZE


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_failed_chunk_is_sent_again_and_no_other(cloud: GcsBucket, gcs: Gcs, status: int) -> None:
    gcs.layer.faults.add("chunk", status=status)
    await put(cloud, DATA)
    await _check_whole(cloud)
    assert gcs.layer.received == SIZE + 8 * MIB
    assert gcs.layer.kinds()[:6] == ["begin", "chunk", "query", "chunk", "chunk", "last"]


async def test_a_chunk_kept_in_part_is_gone_on_with(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.faults.add("chunk", status=503, keep=3 * MIB)
    await put(cloud, DATA)
    await _check_whole(cloud)
    assert gcs.layer.received == SIZE + 5 * MIB


async def test_a_lost_reply_to_a_chunk_sends_nothing_again(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.faults.add("chunk", status=503, after=True, times=2)
    await put(cloud, DATA)
    await _check_whole(cloud)
    assert gcs.layer.received == SIZE


async def test_a_lost_last_reply_is_no_failure(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.faults.add("last", status=503, after=True)
    stored = await put(cloud, DATA)
    assert await cloud.stat(NAME) == stored
    assert gcs.layer.received == SIZE


async def test_a_lost_session_begins_again(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.faults.add("last", status=410)
    sent: list[int] = []
    await cloud.upload(Upload(NAME, "video/mp4"), io.BytesIO(DATA), SIZE, sent.append)
    await _check_whole(cloud)
    assert gcs.layer.kinds().count("begin") == 2
    assert sent == sorted(set(sent))


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_failures_at_the_beginning_are_tried_again(cloud: GcsBucket, gcs: Gcs, status: int) -> None:
    gcs.layer.faults.add("begin", status=status, times=2)
    await put(cloud, b"film")
    assert gcs.layer.kinds().count("begin") == 3


async def test_what_a_repetition_can_not_change_is_not_tried_again(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.faults.add("begin", status=400)
    with pytest.raises(BucketError):
        await put(cloud, b"film")
    assert gcs.layer.kinds().count("begin") == 1


@pytest.mark.parametrize("kind", ["begin", "chunk", "last"])
async def test_denied_is_final(cloud: GcsBucket, gcs: Gcs, kind: str) -> None:
    gcs.layer.faults.add(kind, status=403)
    with pytest.raises(StorageDenied):
        await put(cloud, DATA)
    assert gcs.layer.kinds().count(kind) == 1
    assert await cloud.stat(NAME) is None


async def test_what_is_missing_when_an_upload_begins_is_the_bucket(cloud: GcsBucket, gcs: Gcs) -> None:
    """Also in a service's other words."""
    gcs.layer.faults.add("begin", status=404)
    with pytest.raises(StorageDenied, match=f"no bucket {gcs.bucket}"):
        await put(cloud, b"film")


@pytest.mark.parametrize("kind", ["begin", "chunk"])
async def test_patience_ends_without_progress(open_gcs: OpenGcs, gcs: Gcs, kind: str) -> None:
    cloud = await open_gcs(RetryPolicy(without_progress=0.3, first_delay=0.01, longest_delay=0.05))
    gcs.layer.faults.add(kind, "query", status=503, times=10_000)
    began = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await put(cloud, DATA)
    assert 0.3 < time.monotonic() - began < 30
    assert gcs.layer.kinds().count(kind) >= 1


async def test_progress_renews_patience(open_gcs: OpenGcs, gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on 20 s at each look, the failures together outlast the retries; one by one they don't."""
    clock = itertools.count(0, 20)
    monkeypatch.setattr(patience, "monotonic", lambda: next(clock))
    cloud = await open_gcs(RetryPolicy(without_progress=30, first_delay=0.01))
    for _ in range(3):
        gcs.layer.faults.add("chunk", status=503, keep=4 * MIB)
    await put(cloud, DATA)
    assert gcs.layer.kinds().count("query") == 3
    assert next(clock) > 90


async def test_a_damaged_upload_never_becomes_visible(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.faults.add("last", corrupt=True)
    with pytest.raises(BucketError, match="CRC32C"):
        await put(cloud, DATA)
    assert await cloud.stat(NAME) is None
    assert "delete" not in gcs.layer.kinds()


async def test_a_damaged_object_is_removed_where_the_service_did_not_check(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.rules.checksums = False
    gcs.layer.faults.add("last", corrupt=True)
    with pytest.raises(BucketError, match="damaged"):
        await put(cloud, DATA)
    assert await cloud.stat(NAME) is None
    assert gcs.layer.kinds().count("delete") == 1


async def test_a_cancelled_upload_ends_its_session(cloud: GcsBucket, gcs: Gcs) -> None:
    gate = gcs.layer.faults.hold("chunk")
    task = asyncio.create_task(put(cloud, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    task.cancel()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: "abort" in gcs.layer.kinds())
    assert gcs.layer.kinds() == ["begin", "chunk", "abort"]
    assert await cloud.stat(NAME) is None


async def test_cancelled_while_the_last_chunk_is_finished_the_object_stays(cloud: GcsBucket, gcs: Gcs) -> None:
    gate = gcs.layer.faults.hold("last", after=True)
    task = asyncio.create_task(put(cloud, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    found = await cloud.stat(NAME)  # as another worker may
    assert found is not None
    task.cancel()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await cloud.stat(NAME) == found


async def test_cancelled_with_a_lost_last_reply_the_object_stays(open_gcs: OpenGcs, gcs: Gcs) -> None:
    """The caller is gone before the next try, which would have told what became of it."""
    cloud = await open_gcs(RetryPolicy(without_progress=600, first_delay=600, longest_delay=600))
    gate = Gate()
    gcs.layer.faults.add("last", status=503, after=True, gate=gate)
    task = asyncio.create_task(put(cloud, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    task.cancel()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: "abort" in gcs.layer.kinds())
    assert gcs.layer.kinds()[-1] == "abort"
    assert await cloud.stat(NAME) is not None


async def test_cancelled_between_tries_it_does_not_wait(open_gcs: OpenGcs, gcs: Gcs) -> None:
    cloud = await open_gcs(RetryPolicy(without_progress=600, first_delay=600, longest_delay=600))
    gate = Gate()
    gcs.layer.faults.add("chunk", status=503, gate=gate)
    task = asyncio.create_task(put(cloud, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    task.cancel()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 30)


async def test_cancelled_it_does_not_wait_for_an_answer(cloud: GcsBucket, gcs: Gcs) -> None:
    """What comes of the request then is stopped as soon as it comes."""
    gate = gcs.layer.faults.hold("begin")
    task = asyncio.create_task(put(cloud, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, TIMEOUT[1] / 2)
    gate.open()
    await until(lambda: "abort" in gcs.layer.kinds())
    assert gcs.layer.kinds() == ["begin", "abort"]
    assert await cloud.stat(NAME) is None


async def test_a_service_that_does_not_answer_is_unavailable(
    open_gcs: OpenGcs, gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidferry_common.bucket.gcs.bucket.TIMEOUT", (0.2, 0.2))
    cloud = await open_gcs(RetryPolicy(without_progress=0.1, first_delay=0.01))
    gcs.layer.faults.add("read", "begin", "list", times=10_000, gate=Gate())
    with pytest.raises(StorageUnavailable):
        await cloud.stat(NAME)
    with pytest.raises(StorageUnavailable):
        await put(cloud, DATA)
    with pytest.raises(StorageUnavailable):
        await cloud.check()
