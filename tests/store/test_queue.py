"""What the store tells of the queue, and of what a POST came to."""

import pytest

from store.records import CAP, Records, new_job
from vidferry_common.contract import keys
from vidferry_common.contract.messages import queued
from vidferry_common.store import Cause, Outcome, QueueDepth, Requeue, store

pytestmark = pytest.mark.anyio


async def test_an_empty_queue_has_no_depth(records: Records) -> None:
    assert await records.store.queue() == QueueDepth(0, 0, 0, 0)


async def test_what_waits_what_is_deferred_and_what_runs(records: Records) -> None:
    running, retried, first, second = [await records.created() for _ in range(4)]
    _, claim = await records.claimed(running)
    _, lost = await records.claimed(retried)
    await records.store.requeue(lost.download_id, 1, Requeue(Cause.RETRY, queued(1), delay=60, limit=3))
    for job, age in ((running, 90_000), (first, 40_000), (second, 20_000)):
        await made_due(records, keys.arq_id(job.download_id, 1), age)

    depth = await records.store.queue()
    assert (depth.waiting, depth.deferred, depth.running) == (2, 1, 1)
    assert 39.9 < depth.oldest < 60, "not the one that runs, although it is older"

    await records.claimed(first)
    assert 19.9 < (await records.store.queue()).oldest < 39
    assert await records.store.finish(claim, queued(1).body(), {}) is not None
    await records.claimed(second)
    await records.redis.zrem(keys.QUEUE, keys.arq_id(running.download_id, 1))  # as arq does when its function returns
    depth = await records.store.queue()
    assert (depth.waiting, depth.deferred, depth.running, depth.oldest) == (0, 1, 2, 0)


async def test_others_members_of_the_queue_hurt_nothing(records: Records) -> None:
    await records.redis.zadd(keys.QUEUE, {"no-attempt": 1, "": 2})
    await records.created()
    depth = await records.store.queue()
    assert (depth.waiting, depth.running) == (3, 0)


async def test_a_look_at_a_long_queue_is_bounded(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_LOOKED_AT", 2)
    jobs = [await records.created() for _ in range(4)]
    for job in jobs[:3]:
        await records.claimed(job)
    depth = await records.store.queue()
    assert (depth.waiting, depth.running, depth.oldest) == (1, 3, 0), "it was not looked for as far as that"


async def test_a_claim_tells_how_long_it_was_due(records: Records) -> None:
    job = await records.created()
    await made_due(records, keys.arq_id(job.download_id, 1), 7000)
    _, claim = await records.claimed(job)
    assert 6.9 < claim.waited < 20

    await records.store.requeue(job.download_id, 1, Requeue(Cause.HANDOVER, queued(1)))
    _, again = await records.claimed(job, attempt=2)
    assert 0 <= again.waited < 5, "of this attempt alone"
    assert again.created == claim.created


async def test_a_claim_ahead_of_its_time_has_not_waited(records: Records) -> None:
    job = await records.created()
    await made_due(records, keys.arq_id(job.download_id, 1), -60_000)
    assert (await records.claimed(job))[1].waited == 0
    other = await records.created()
    await records.redis.delete(keys.QUEUE)
    assert (await records.claimed(other))[1].waited == 0


async def test_what_a_post_came_to(records: Records) -> None:
    url = "https://example.com/outcome"
    first, second = new_job(url, idempotency_key="a"), new_job(url)
    found = [await records.store.create(job, CAP) for job in (first, second, new_job(url, idempotency_key="a"))]
    assert [each.outcome for each in found] == [Outcome.CREATED, Outcome.ATTACHED, Outcome.REPLAYED]
    assert [each.replayed for each in found] == [False, False, True]


async def made_due(records: Records, arq_id: str, ms_ago: int) -> None:
    await records.redis.zadd(keys.QUEUE, {arq_id: await records.now_ms() - ms_ago})
