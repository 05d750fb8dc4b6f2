"""One job ends; its download goes on for the others, and stops with the last."""

import pytest

from support.records import CAP, Records, body, new_job, of, progress
from vidferry_common.contract import keys
from vidferry_common.contract.messages import queued_update
from vidferry_common.contract.stages import DONE, DOWNLOAD_STARTED, INFO, STARTED, Status
from vidferry_common.store import Cancelled, Cause, DownloadStatus, Ending, Requeue

pytestmark = pytest.mark.anyio
URL = "https://example.com/one"


async def test_the_last_job_takes_a_waiting_download_along(records: Records) -> None:
    job = await records.created(url=URL)
    await records.listen(job.job_id)

    assert await records.cancel(job) is Cancelled.CANCELLED

    (told,) = await records.heard(job.job_id)
    assert told == await records.state(job.job_id)
    assert (told["data"]["status"], told["data"]["seq"]) == ("cancelled", 2)
    assert await records.redis.keys("arq:*") == []
    assert await records.store.leases.claim(job.download_id, 1, 60, "worker") is None
    assert await records.redis.keys(keys.DOWNLOAD_BY_URL + "*") == []


async def test_the_last_job_stops_a_running_download(records: Records) -> None:
    job, claim = await records.claimed(await records.created(url=URL))
    await records.step(claim, STARTED, INFO, DOWNLOAD_STARTED)

    assert await records.cancel(job) is Cancelled.CANCELLED

    assert await records.store.leases.wait_for_cancellation("worker", 1) == (job.download_id, 1)
    assert await records.store.downloads.publish(claim, body(INFO), step=True) is None
    assert await records.store.downloads.finish(claim, body(DONE), Ending()) is None
    assert await records.store.leases.renew({job.download_id: 1}, 60) == {job.download_id}
    assert await records.redis.zcard(keys.LEASES) == 0
    data = (await records.state(job.job_id))["data"]
    assert (data["status"], data["progress"], data["speed"], data["eta"]) == ("cancelled", 20, None, None)
    assert await records.redis.keys(keys.DOWNLOAD_BY_URL + "*") == []
    assert await records.redis.keys("arq:*") == []


async def test_a_stop_is_for_the_worker_that_runs_it(records: Records) -> None:
    job, _ = await records.claimed()
    await records.cancel(job)

    assert await records.store.leases.wait_for_cancellation("another", 1) is None
    (list_of_stops,) = await records.redis.keys(keys.CANCELLATIONS + "*")
    assert list_of_stops.decode() == keys.CANCELLATIONS + "worker"
    assert 0 < await records.redis.ttl(list_of_stops) <= 60, "a worker that is gone hears nothing"


async def test_a_delayed_try_goes_along(records: Records) -> None:
    job, _ = await records.claimed()
    await records.retried(job)

    assert await records.cancel(job) is Cancelled.CANCELLED

    assert await records.redis.zcard(keys.DELAYED) == 0
    assert await records.redis.keys("arq:*") == []


@pytest.mark.parametrize("running", [False, True])
async def test_the_others_go_on(running: bool, records: Records) -> None:
    first, second = await records.created(url=URL), await records.created(url=URL)
    claim = (await records.claimed(first))[1] if running else None

    assert await records.cancel(first) is Cancelled.CANCELLED
    claim = claim or (await records.claimed(first))[1]

    assert await records.store.downloads.publish(claim, body(INFO), step=True) == [second.job_id]
    assert await records.store.downloads.finish(claim, body(DONE, status=Status.COMPLETED), Ending()) == [second.job_id]
    assert (await records.read(first)).status is Status.CANCELLED
    assert (await records.read(second)).status is Status.COMPLETED
    assert progress(await records.history(first.job_id)) == [0]


async def test_of_fifty_any_may_leave_in_any_order(records: Records) -> None:
    jobs = [new_job(URL) for _ in range(50)]
    for job in jobs:
        await records.store.jobs.create(job, CAP)
    download_id = (await records.read(jobs[0])).download_id
    for job in [*jobs[::2], *reversed(jobs[1::2])][:-1]:
        assert await records.cancel(job) is Cancelled.CANCELLED
        assert (await records.download(download_id)).status is DownloadStatus.QUEUED

    await records.cancel(jobs[1])

    assert (await records.download(download_id)).status is DownloadStatus.ENDED


async def test_what_has_ended_stays_as_it_ended(records: Records) -> None:
    job, claim = await records.claimed()
    await records.store.downloads.finish(claim, body(DONE, status=Status.COMPLETED), Ending())
    before = await records.dump()

    assert await records.cancel(job) is Cancelled.ENDED
    assert await records.dump() == before


async def test_a_newer_state_is_not_lost(records: Records) -> None:
    """The last message of a job is made of the one before it: by who asks, as Lua can't."""
    job, claim = await records.claimed()
    read = await records.read(job)
    await records.step(claim, STARTED)
    before = await records.dump()

    assert await records.store.jobs.cancel(read) is Cancelled.MOVED
    assert await records.dump() == before
    assert await records.cancel(job) is Cancelled.CANCELLED


async def test_a_job_that_is_gone_is_none(records: Records) -> None:
    job = await records.created()
    read = await records.read(job)
    await records.redis.flushall()

    assert await records.store.jobs.cancel(read) is Cancelled.NONE
    assert await records.dump() == {}


async def test_a_download_that_is_gone_is_no_obstacle(records: Records) -> None:
    job = await records.created()
    await records.redis.delete(keys.DOWNLOAD + job.download_id)

    assert await records.cancel(job) is Cancelled.CANCELLED


async def test_what_a_dead_worker_ran_can_be_cancelled(records: Records) -> None:
    """Nobody hears its stop; that it was reaped once more would bring it back."""
    job, _ = await records.claimed()
    await records.end_lease(job.download_id)
    await records.cancel(job)

    assert await records.expired() == []
    assert (
        await records.store.downloads.requeue(job.download_id, 1, Requeue(Cause.WORKER_LOSS, queued_update(), limit=2))
        == "stale"
    )
    assert await of(records.redis.zcard(keys.QUEUE)) == 0
