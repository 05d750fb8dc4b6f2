"""The connection may be cut after a script took effect: it is sent again, and that changes nothing."""

from dataclasses import replace

import pytest

from support.records import CAP, Records, at, body, new_job, progress
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued_update
from vidferry_common.contract.stages import DONE, DOWNLOAD_STARTED, INFO, STARTED, Status
from vidferry_common.store import Cause, Ending, Outcome, Publication, QueueFull, Requeue

pytestmark = pytest.mark.anyio
URL = "https://example.com/one"
COMPLETED = body(DONE, status=Status.COMPLETED)


async def test_a_post(records: Records) -> None:
    first, second = new_job(URL, idempotency_key="k"), new_job(URL)
    made = [await records.store.jobs.create(job, CAP) for job in (first, second)]
    before = await records.dump()

    again = [await records.store.jobs.create(job, CAP) for job in (first, second)]

    # Which download's trace it follows is told once.
    assert [replace(each, followed="") for each in again] == [replace(each, followed="") for each in made]
    assert [each.outcome for each in again] == [Outcome.CREATED, Outcome.ATTACHED]
    assert await records.dump() == before


async def test_a_post_is_answered_also_when_the_queue_has_filled_since(records: Records) -> None:
    job = new_job()
    await records.store.jobs.create(job, 1)
    with pytest.raises(QueueFull):
        await records.store.jobs.create(new_job(), 1)

    assert (await records.store.jobs.create(job, 1)).job_id == job.job_id


async def test_a_post_whose_download_has_ended_since(records: Records) -> None:
    job, claim = await records.claimed()
    await records.store.downloads.finish(claim, COMPLETED, Ending())

    again = await records.store.jobs.create(job, CAP)

    assert (again.status, again.outcome) == (Status.COMPLETED, Outcome.CREATED)
    assert await records.redis.zcard(keys.QUEUE) == 0


async def test_a_claim_by_the_same_worker(records: Records) -> None:
    job, claim = await records.claimed(lease=1)
    again = await records.store.leases.claim(job.download_id, 1, 60, "worker")

    assert again is not None
    assert (again.attempt, again.url, again.last) == (claim.attempt, claim.url, claim.last)
    assert await records.store.leases.claim(job.download_id, 1, 60, "another") is None
    lease = await records.redis.zscore(keys.LEASES, job.download_id)
    assert lease is not None
    assert lease > await records.now_ms() + 30_000, "it is held from the answer on"


async def test_a_claim_of_an_attempt_that_has_ended_since_is_stale(records: Records) -> None:
    job, _ = await records.claimed()
    await records.retried(job)
    assert await records.store.leases.claim(job.download_id, 1, 60, "worker") is None
    _, claim = await records.claimed(job, attempt=2)
    await records.store.downloads.finish(claim, COMPLETED, Ending())

    assert await records.store.leases.claim(job.download_id, 2, 60, "worker") is None


async def test_a_step(records: Records) -> None:
    job, claim = await records.claimed()
    await records.listen(job.job_id)
    step = body(STARTED)
    for _ in range(3):
        assert await records.store.downloads.publish(claim, step, step=True) == [job.job_id]
    await records.store.downloads.publish(claim, body(INFO), step=True)

    assert progress(await records.heard(job.job_id)) == [5, 10]
    assert progress(await records.history(job.job_id)) == [5, 10]


async def test_several_steps_at_once(records: Records) -> None:
    """As a worker tells them that was away, or quick: the answer to all of them is lost."""
    job, claim = await records.claimed()
    await records.listen(job.job_id)
    updates = [(at(STARTED), True), (at(INFO), True), (at(DOWNLOAD_STARTED), True), (at(DOWNLOAD_STARTED), False)]
    batch = [Publication(claim, update.body(), update, step=step) for update, step in updates]
    for _ in range(2):
        assert await records.store.downloads.publish_all(batch) == [[job.job_id]] * 4

    assert progress(await records.heard(job.job_id)) == [5, 10, 20, 20, 20]
    assert progress(await records.history(job.job_id)) == [5, 10, 20]


async def test_an_end(records: Records) -> None:
    job, claim = await records.claimed()
    await records.listen(job.job_id)
    ending = Ending("videos/x", leads_to="videos/x", known_for=60)
    for _ in range(2):
        assert await records.store.downloads.finish(claim, COMPLETED, ending) == [job.job_id]

    assert progress(await records.heard(job.job_id)) == [100]
    assert await records.store.downloads.finish(claim, body(DONE, status=Status.FAILED), Ending()) is None


@pytest.mark.parametrize("cause", [Cause.RETRY, Cause.HANDOVER, Cause.WORKER_LOSS])
async def test_a_return_to_the_queue(cause: Cause, records: Records) -> None:
    job, _ = await records.claimed()
    await records.end_lease(job.download_id)
    how = Requeue(cause, queued_update(), limit=1, failure=ErrorCode.WORKER_LOST)
    assert await records.store.downloads.requeue(job.download_id, 1, how) == "requeued"
    before = await records.dump()

    assert await records.store.downloads.requeue(job.download_id, 1, how) == "stale"
    assert await records.dump() == before
