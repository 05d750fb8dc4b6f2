"""The marks on objects, and what a job's end finds of them."""

import pytest

from support.records import Records, body, of
from vidferry_common.contract import keys
from vidferry_common.contract.stages import DONE, Status
from vidferry_common.store import Ending, GoneObject, ObjectDeleted

pytestmark = pytest.mark.anyio
NAME = "videos/a/b/c/1080-any"
COMPLETED = body(DONE, status=Status.COMPLETED)
ENDING = Ending(NAME, "1", pinned=NAME)


async def test_a_deletion_on_request_asks_no_leader_and_takes_pins(records: Records) -> None:
    marks = records.store.objects
    assert await marks.pin(NAME)
    assert await marks.mark_deleting("w", [NAME]) is None, "it does not lead"
    assert await marks.mark_deleting("", [NAME]) == [], "it is being handed out"

    assert await marks.mark_deleting("", [NAME], pinned_too=True) == [NAME]

    assert not await marks.pin(NAME)
    assert await of(records.redis.zcard(keys.PINNED)) == 0
    await marks.forget([NAME], [])
    assert await marks.pin(NAME)


async def test_a_job_does_not_end_with_an_object_that_was_deleted_since(records: Records) -> None:
    job, claim = await records.claimed()
    assert await records.store.objects.pin(NAME)
    await records.store.objects.mark_deleting("", [NAME], pinned_too=True)
    await records.store.objects.forget([NAME], [GoneObject(NAME, "1", 0)])

    with pytest.raises(ObjectDeleted):
        await records.store.downloads.finish(claim, COMPLETED, ENDING)

    assert (await records.read(job)).status is Status.QUEUED, "nothing was told"
    await records.retried(job)


async def test_one_of_two_deletions_that_ends_first_leaves_no_pin_of_the_other(records: Records) -> None:
    """A job that comes between the two pins what the second one then deletes."""
    _, claim = await records.claimed()
    for _ in range(2):
        assert await records.store.objects.mark_deleting("", [NAME], pinned_too=True) == [NAME]
    await records.store.objects.forget([NAME], [])
    assert await records.store.objects.pin(NAME)

    await records.store.objects.forget([NAME], [GoneObject(NAME, "1", 0)])

    with pytest.raises(ObjectDeleted):
        await records.store.downloads.finish(claim, COMPLETED, ENDING)


async def test_a_job_ends_with_its_pinned_object_and_again_after_a_lost_reply(records: Records) -> None:
    job, claim = await records.claimed()
    assert await records.store.objects.pin(NAME)

    assert await records.store.downloads.finish(claim, COMPLETED, ENDING) == [job.job_id]

    await records.store.objects.forget([], [GoneObject(NAME, "1", 0)])
    assert await records.store.downloads.finish(claim, COMPLETED, ENDING) is not None
    assert (await records.read(job)).status is Status.COMPLETED
