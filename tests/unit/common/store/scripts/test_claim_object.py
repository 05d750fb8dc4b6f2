"""Two downloads that are to make one object become one."""

from dataclasses import replace

import pytest

from support.records import CAP, Records, body, new_job, of, progress, seqs
from vidferry_common.contract import keys
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.stages import DOWNLOAD_QUARTERS, DOWNLOAD_STARTED, INFO, NEW_VIDEO, STARTED, Status
from vidferry_common.store import Cancelled, Claim, Ending, NewJob

pytestmark = pytest.mark.anyio
NAME = "videos/site/example.com/abc/1080-any"
DONE = body(NEW_VIDEO[-1], status=Status.COMPLETED)


async def making(records: Records, *, name: str = NAME, **fields: object) -> tuple[NewJob, Claim]:
    """A download that makes that object, and has told so."""
    job, claim = await records.claimed(await records.created(**fields))
    await records.step(claim, STARTED)
    assert await records.store.downloads.claim_object(claim, name) is True
    return job, claim


async def test_the_first_makes_it_and_the_others_follow(records: Records) -> None:
    first, claim = await making(records)
    await records.step(claim, INFO, DOWNLOAD_STARTED, DOWNLOAD_QUARTERS[0])
    second, other = await records.claimed()
    await records.step(other, STARTED)
    await records.listen(second.job_id)

    assert await records.store.downloads.claim_object(other, NAME) is False

    heard = await records.heard(second.job_id)
    assert progress(heard) == [10, 20, 35], "what it missed, and what it had seen not again"
    assert seqs(heard) == [3, 4, 5]
    assert (await records.read(second)).download_id == first.download_id
    assert sorted(await records.store.downloads.finish(claim, DONE, Ending()) or ()) == sorted(
        [first.job_id, second.job_id]
    )
    assert (await records.read(second)).status is Status.COMPLETED
    assert progress(await records.history(second.job_id)) == [5, 10, 20, 35, 100]


async def test_what_lies_between_two_steps_is_told_too(records: Records) -> None:
    _, claim = await making(records)
    await records.step(claim, INFO, DOWNLOAD_STARTED)
    await records.store.downloads.publish(claim, body(replace(DOWNLOAD_STARTED, progress=31)), step=False)
    second, other = await records.claimed()

    await records.store.downloads.claim_object(other, NAME)

    assert (await records.state(second.job_id))["data"]["progress"] == 31
    assert progress(await records.history(second.job_id)) == [5, 10, 20]


async def test_progress_does_not_go_back(records: Records) -> None:
    """A job that an earlier attempt had brought further than where the other download is."""
    _, claim = await making(records)
    await records.step(claim, INFO)
    second, other = await records.claimed()
    await records.step(other, STARTED, INFO, DOWNLOAD_STARTED)
    await records.listen(second.job_id)

    await records.store.downloads.claim_object(other, NAME)

    assert await records.heard(second.job_id) == []
    await records.step(claim, DOWNLOAD_STARTED)
    assert progress(await records.heard(second.job_id)) == [20]


async def test_attempts_count_on_where_the_other_has_had_fewer(records: Records) -> None:
    first, claim = await making(records)
    await records.step(claim, INFO)
    second, third = await records.created(), await records.created()
    await records.listen(second.job_id)
    for job, attempts in ((second, 3), (third, 2)):
        for attempt in range(1, attempts + 1):
            _, other = await records.claimed(job, attempt)
            await records.step(other, STARTED)
            if attempt < attempts:
                await records.retried(job, attempt, delay=0)
        assert await records.store.downloads.claim_object(other, NAME) is False
    await records.step(claim, DOWNLOAD_STARTED)
    await records.retried(first, delay=0)
    _, claim = await records.claimed(first, attempt=2)
    await records.step(claim, STARTED)

    data = [each["data"] for each in await records.heard(second.job_id)]
    heard = [(each["attempt"], each["progress"]) for each in data]
    assert heard == [(1, 5), (1, 10), (2, 5), (2, 10), (3, 5), (3, 10), (3, 20), (3, 10), (4, 5)]
    shown = [(await records.state(job.job_id))["data"]["attempt"] for job in (first, second, third)]
    assert shown == [2, 4, 3]
    await records.cancel(second)
    assert (await records.state(second.job_id))["data"]["attempt"] == 4


async def test_attempts_of_the_other_that_are_told_belatedly_count_on_too(records: Records) -> None:
    first, claim = await making(records)
    await records.retried(first, delay=0)
    _, claim = await records.claimed(first, attempt=2)
    await records.step(claim, STARTED, INFO)
    second, other = await records.claimed()
    await records.retried(second, delay=0)
    _, other = await records.claimed(second, attempt=2)
    await records.step(other, STARTED)
    await records.listen(second.job_id)

    assert await records.store.downloads.claim_object(other, NAME) is False

    assert [each["data"]["attempt"] for each in await records.heard(second.job_id)] == [3]


async def test_nothing_is_left_of_the_one_that_gave_way(records: Records) -> None:
    first, _ = await making(records)
    second, other = await records.claimed()

    await records.store.downloads.claim_object(other, NAME)

    assert await records.redis.zrange(keys.LEASES, 0, -1) == [first.download_id.encode()]
    assert await records.redis.zrange(keys.QUEUE, 0, -1) == [keys.arq_id(first.download_id, 1).encode()]
    assert await records.redis.keys(f"arq:*{second.download_id}*") == []
    assert await records.redis.keys(keys.DOWNLOAD + second.download_id + ":*") == []
    assert await records.store.downloads.publish(other, body(INFO), step=True) is None
    assert await records.store.downloads.claim_object(other, NAME) is None
    assert await records.store.leases.renew({second.download_id: 1}, 60) == {second.download_id}


async def test_both_addresses_lead_to_the_one_that_runs(records: Records) -> None:
    first, claim = await making(records, url="https://example.com/a")
    second, other = await records.claimed(await records.created(url="https://example.com/b"))
    await records.store.downloads.claim_object(other, NAME)

    for url in ("https://example.com/a", "https://example.com/b"):
        assert (await records.read(await records.created(url=url))).download_id == first.download_id

    await records.store.downloads.finish(claim, DONE, Ending())
    anew = await records.created(url="https://example.com/b")
    assert (await records.read(anew)).download_id == anew.download_id
    assert (await records.read(second)).status is Status.COMPLETED


async def test_a_job_that_has_gone_over_can_be_cancelled(records: Records) -> None:
    first, claim = await making(records)
    second, other = await records.claimed()
    await records.store.downloads.claim_object(other, NAME)

    assert await records.cancel(second) is Cancelled.CANCELLED
    assert await records.store.downloads.publish(claim, body(INFO), step=True) == [first.job_id]
    assert await records.cancel(first) is Cancelled.CANCELLED
    assert await records.store.leases.wait_for_cancellation("worker", 1) == (first.download_id, 1)


async def test_a_persons_job_hastens_the_one_that_it_follows(records: Records) -> None:
    first, _ = await making(records, priority=Priority.BULK)
    await records.retried(first)
    _, other = await records.claimed(await records.created())

    await records.store.downloads.claim_object(other, NAME)

    head_start = await of(records.redis.hget(keys.DOWNLOAD + first.download_id, "head_start"))
    assert int(head_start) == Priority.INTERACTIVE.head_start_ms


async def test_after_the_end_the_object_is_anyones(records: Records) -> None:
    _, claim = await making(records)
    await records.store.downloads.finish(claim, DONE, Ending())
    assert await records.redis.keys(keys.DOWNLOAD_BY_OBJECT + "*") == []

    await making(records)


async def test_an_index_that_points_nowhere_is_no_obstacle(records: Records) -> None:
    first, _ = await making(records)
    await records.redis.delete(keys.DOWNLOAD + first.download_id)

    await making(records)


async def test_the_same_again_by_a_later_attempt_is_still_its_own(records: Records) -> None:
    job, claim = await making(records)
    assert await records.store.downloads.claim_object(claim, NAME) is True
    await records.retried(job, delay=0)
    _, again = await records.claimed(job, attempt=2)

    assert await records.store.downloads.claim_object(again, NAME) is True
    assert await records.store.downloads.claim_object(claim, NAME) is None, "the attempt before it"


async def test_what_an_earlier_attempt_had_found_leads_nowhere(records: Records) -> None:
    """A page may play another video by then."""
    job, _ = await making(records)
    await records.retried(job, delay=0)
    _, again = await records.claimed(job, attempt=2)
    assert await records.store.downloads.claim_object(again, NAME + "-other") is True

    second, _ = await making(records)

    assert (await records.read(second)).download_id == second.download_id


async def test_one_that_is_fetched_anew_is_no_ones_company(records: Records) -> None:
    await making(records)

    forced, _ = await making(records, force=True)

    assert (await records.read(forced)).download_id == forced.download_id


async def test_where_it_would_be_too_many_jobs_both_go_on(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_common.store.downloads.MAX_JOBS", 3)
    await making(records, url="https://example.com/a")
    await records.created(url="https://example.com/a")
    second, other = await records.claimed(await records.created(url="https://example.com/b"))
    await records.created(url="https://example.com/b")

    assert await records.store.downloads.claim_object(other, NAME) is True
    assert (await records.read(second)).download_id == second.download_id


async def test_the_steps_go_over_to_fifty_jobs(records: Records) -> None:
    first, claim = await making(records)
    jobs = [new_job("https://example.com/b") for _ in range(50)]
    for job in jobs:
        await records.store.jobs.create(job, CAP)
    _, other = await records.claimed(jobs[0])

    await records.store.downloads.claim_object(other, NAME)

    told = await records.store.downloads.publish(claim, body(INFO), step=True)
    assert sorted(told or ()) == sorted([first.job_id, *(job.job_id for job in jobs)])
    assert await of(records.redis.scard(keys.DOWNLOAD + first.download_id + keys.JOBS)) == 51
