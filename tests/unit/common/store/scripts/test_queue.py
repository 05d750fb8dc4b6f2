"""What the store tells of the queue, and of what a POST came to."""

import pytest

from support.records import Records
from vidferry_common.contract import keys
from vidferry_common.contract.messages import queued_update
from vidferry_common.contract.priority import Priority
from vidferry_common.store import Cause, Ending, QueueDepth, Requeue

pytestmark = pytest.mark.anyio


async def test_an_empty_queue_has_no_depth(records: Records) -> None:
    assert await records.store.queue.read_depth() == QueueDepth(0, 0, 0, 0)


async def test_what_waits_what_is_deferred_and_what_runs(records: Records) -> None:
    running, retried, first, second = [await records.created() for _ in range(4)]
    await records.made_due(running, 90)
    _, claim = await records.claimed(running)
    _, lost = await records.claimed(retried)
    await records.store.downloads.requeue(lost.download_id, 1, Requeue(Cause.RETRY, queued_update(), delay=60, limit=3))
    for job, age in ((first, 40), (second, 20)):
        await records.made_due(job, age)

    depth = await records.store.queue.read_depth()
    assert (depth.waiting, depth.deferred, depth.running) == (2, 1, 1)
    assert 39.9 < depth.oldest < 60, "not the one that runs, although it is older"

    await records.claimed(first)
    assert 19.9 < (await records.store.queue.read_depth()).oldest < 39
    assert await records.store.downloads.finish(claim, queued_update().body(), Ending()) is not None
    await records.claimed(second)
    await records.redis.zrem(keys.QUEUE, keys.arq_id(running.download_id, 1))  # as arq does when its function returns
    depth = await records.store.queue.read_depth()
    assert (depth.waiting, depth.deferred, depth.running, depth.oldest) == (0, 1, 2, 0)


async def test_others_members_of_the_queue_hurt_nothing(records: Records) -> None:
    await records.redis.zadd(keys.QUEUE, {"no-attempt": 1, "": 2})
    await records.created()
    depth = await records.store.queue.read_depth()
    assert (depth.waiting, depth.running) == (3, 0)


async def test_a_delayed_one_that_is_due_waits_like_the_others(records: Records) -> None:
    """Also before any worker looks: it is what a scaler of workers goes by."""
    job, _ = await records.claimed()
    await records.retried(job, delay=0.001)
    await eventually_due(records)

    depth = await records.store.queue.read_depth()
    assert (depth.waiting, depth.deferred) == (1, 0)


async def eventually_due(records: Records) -> None:
    while not await records.redis.zcount(keys.DELAYED, "-inf", await records.now_ms()):
        pass


async def test_the_longest_wait_is_that_of_either_class(records: Records) -> None:
    person, bulk = await records.created(), await records.created(priority=Priority.BULK)
    await records.made_due(person, 40)
    await records.made_due(bulk, 80)
    assert 79 < (await records.store.queue.read_depth()).oldest < 99

    await records.made_due(person, 120)
    assert 119 < (await records.store.queue.read_depth()).oldest < 139


async def test_what_waits_for_its_site_waits(records: Records) -> None:
    for _ in range(3):
        await records.created()
    await records.picked(site_limit=1)

    assert (await records.store.queue.read_depth()).waiting == 3


async def test_a_claim_tells_how_long_it_was_due(records: Records) -> None:
    job = await records.created()
    await records.made_due(job, 7)
    _, claim = await records.claimed(job)
    assert 6.9 < claim.waited < 20

    await records.store.downloads.requeue(job.download_id, 1, Requeue(Cause.HANDOVER, queued_update()))
    assert (await records.store.queue.read_depth()).oldest < 5
    _, again = await records.claimed(job, attempt=2)
    assert 0 <= again.waited < 5, "of this attempt alone"
    assert again.created == claim.created


async def test_a_claim_ahead_of_its_time_has_not_waited(records: Records) -> None:
    job = await records.created()
    await records.made_due(job, -60)
    assert (await records.claimed(job))[1].waited == 0
