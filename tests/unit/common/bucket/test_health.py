"""What is known of the bucket from the calls to it, while they are still tried again."""

import asyncio

import pytest

from support.children import until
from support.gcs import Gcs
from support.sources import NAME, put
from unit.common.bucket.conftest import OpenGcs
from vidferry_common.bucket import ObjectNotFound, StorageDenied, StorageUnavailable
from vidferry_common.bucket.gcs import GcsBucket
from vidferry_common.bucket.patience import RetryPolicy

PATIENT = RetryPolicy(without_progress=3600, first_delay=0.01, longest_delay=0.01)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["begin", "read"])
async def test_one_that_is_away_is_known_before_any_patience_ends(
    kind: str, open_gcs: OpenGcs, gcs: Gcs, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = await open_gcs(PATIENT)
    gcs.layer.faults.add(kind, status=503, times=1_000_000)
    call = cloud.stat(NAME) if kind == "read" else put(cloud, b"film")
    task = asyncio.create_task(call)
    await until(lambda: "the bucket can't be reached" in caplog.messages)
    assert isinstance(cloud.health.error, StorageUnavailable)
    assert not task.done()
    assert not cloud.health.refuses
    assert caplog.messages.count("the bucket can't be reached") == 1

    gcs.layer.faults.clear()
    await task
    assert cloud.health.error is None
    assert caplog.messages.count("the bucket answers again") == 1


async def test_one_that_refuses_is_known_until_it_does_not(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.faults.add("begin", status=403)
    with pytest.raises(StorageDenied):
        await put(cloud, b"film")
    assert cloud.health.refuses
    await cloud.check(writing=True)
    assert cloud.health.error is None


async def test_an_object_that_is_not_there_is_an_answer(cloud: GcsBucket, gcs: Gcs) -> None:
    gcs.layer.faults.add("list", status=503)
    with pytest.raises(StorageUnavailable):
        await cloud.check()
    with pytest.raises(ObjectNotFound):
        await cloud.read(NAME, 4)
    assert cloud.health.error is None


async def test_a_check_of_writing_tells_who_may_only_read_and_leaves_nothing(cloud: GcsBucket, gcs: Gcs) -> None:
    await cloud.check(writing=True)
    assert gcs.bucket not in {session.bucket for session in gcs.layer.sessions.values()}
    gcs.layer.faults.add("begin", status=403)
    with pytest.raises(StorageDenied):
        await cloud.check(writing=True)
    gcs.layer.faults.add("begin", status=403)
    await cloud.check()
