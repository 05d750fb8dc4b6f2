"""What a worker may start, and in which order."""

import asyncio

import pytest

from store.records import CAP, Records, new_job, of
from vidferry_common.contract import keys
from vidferry_common.contract.messages import queued
from vidferry_common.contract.priority import Priority
from vidferry_common.store import Cause, Ending, NewJob, Requeue, store

pytestmark = pytest.mark.anyio
HEAD_START = Priority.INTERACTIVE.head_start_ms / 1000


async def test_an_empty_queue_gives_nothing(records: Records) -> None:
    assert await records.store.pick(4, 0) == ([], None)


async def test_the_oldest_first_and_no_more_than_asked_for(records: Records) -> None:
    jobs = [await records.created() for _ in range(4)]
    for age, job in enumerate(jobs):
        await records.made_due(job, 10 + age)

    assert await records.picked(3) == [job.download_id for job in reversed(jobs[1:])]


async def test_five_hundred_bulk_ones_do_not_stand_before_a_person(records: Records) -> None:
    for number in range(500):
        await records.store.create(new_job(priority=Priority.BULK, url=f"https://example.com/{number}"), CAP)
    person = await records.created()

    assert await records.picked(1) == [person.download_id]


async def test_a_bulk_one_that_has_waited_long_enough_goes_before_a_person(records: Records) -> None:
    bulk, person = await records.created(priority=Priority.BULK), await records.created()
    for waited, first in ((HEAD_START - 60, person), (HEAD_START + 60, bulk)):
        await records.made_due(bulk, waited)
        assert await picked_alone(records, first)


async def picked_alone(records: Records, job: NewJob) -> bool:
    """Whether it is the first; what was picked is put back."""
    found = await records.picked(1)
    for key in await records.redis.keys(keys.SITE + "*"):
        await records.redis.delete(key)
    return found == [job.download_id]


async def test_what_is_picked_is_kept_for_the_one_who_picked_it(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PICK_SECONDS", 0.2)
    jobs = [await records.created() for _ in range(20)]
    found = await asyncio.gather(*(records.picked(3) for _ in range(10)))
    assert sorted(id_ for ids in found for id_ in ids) == sorted(job.download_id for job in jobs)

    async with asyncio.timeout(10):
        while not (again := await records.picked(1)):
            pass
    assert again == [jobs[0].download_id], "its worker was killed before it could claim"


async def test_a_long_queue_of_running_downloads_hides_no_waiting_one(records: Records) -> None:
    for _ in range(150):
        await records.claimed()
    job = await records.created()

    assert await records.picked(1) == [job.download_id]


async def test_what_runs_or_has_ended_is_not_picked(records: Records) -> None:
    await records.claimed()
    _, claim = await records.claimed()
    await records.store.finish(claim, queued().body(), Ending())

    assert await records.picked() == []


async def test_a_delayed_one_is_picked_when_it_is_due_and_not_before(records: Records) -> None:
    job, _ = await records.claimed()
    await records.retried(job, delay=60)
    later, _ = await records.claimed()
    await records.retried(later, delay=600)
    arq_ids, seconds = await records.store.pick(4, 0)
    assert arq_ids == []
    assert seconds is not None
    assert 50 < seconds <= 60, "of the next one"

    await records.redis.zadd(keys.DELAYED, {keys.arq_id(job.download_id, 2): await records.now_ms() - 1})
    arq_ids, seconds = await records.store.pick(4, 0)

    assert arq_ids == [keys.arq_id(job.download_id, 2).encode()]
    assert seconds is not None
    assert seconds > 500
    assert await records.store.claim(job.download_id, 2, 60, "worker") is not None


async def test_a_delayed_one_takes_its_place_by_when_it_was_due(records: Records) -> None:
    """One that was due long ago, while no worker looked, does not stand behind those that came since."""
    job, _ = await records.claimed()
    await records.retried(job)
    since = await records.created()
    await records.made_due(since, 10)
    due = await records.now_ms() - 20_000
    await of(records.redis.hset(keys.DOWNLOAD + job.download_id, mapping={"due": due, "place": due}))
    await records.redis.zadd(keys.DELAYED, {keys.arq_id(job.download_id, 2): due})

    assert await records.picked() == [job.download_id, since.download_id]


async def test_a_handed_over_one_keeps_its_place(records: Records) -> None:
    job, waiting = await records.created(), await records.created()
    await records.made_due(job, 20)
    await records.made_due(waiting, 10)
    await records.claimed(job)
    await records.store.requeue(job.download_id, 1, Requeue(Cause.HANDOVER, queued()))

    assert await records.picked() == [job.download_id, waiting.download_id]


async def at_one_site(records: Records, count: int) -> list[NewJob]:
    jobs = [await records.created() for _ in range(count)]
    for age, job in enumerate(reversed(jobs)):
        await records.made_due(job, 10 + age)
    return jobs


async def test_a_site_takes_so_many_and_the_rest_wait_in_order(records: Records) -> None:
    jobs = await at_one_site(records, 5)
    elsewhere = await records.created(url="https://elsewhere.example/x")
    assert await records.picked(site_limit=2) == [*(job.download_id for job in jobs[:2]), elsewhere.download_id]
    claims = [(await records.claimed(job))[1] for job in jobs[:2]]

    assert await records.picked(site_limit=2) == []
    for claim, freed in zip(claims, jobs[2:4], strict=True):
        await records.store.finish(claim, queued().body(), Ending())
        assert await records.picked(site_limit=2) == [freed.download_id]


async def test_a_full_site_does_not_hide_the_others_behind_it(records: Records) -> None:
    await records.claimed()
    await at_one_site(records, 200)
    elsewhere = await records.created(url="https://elsewhere.example/x")

    found: list[str] = []
    for _ in range(5):  # a look is bounded, and what it parks is out of the next one's way
        found += await records.picked(1, site_limit=1)

    assert found == [elsewhere.download_id]


@pytest.mark.parametrize("ending", ["retry", "handover", "cancel", "merge"])
async def test_a_place_is_free_however_the_download_leaves_it(ending: str, records: Records) -> None:
    running, claim = await records.claimed()
    _, other = await records.claimed(await records.created(url="https://elsewhere.example/x"))
    assert await records.store.identify(other, "videos/x")
    waiting = await records.created()
    assert await records.picked(site_limit=1) == []

    match ending:
        case "retry":
            await records.retried(running)
        case "handover":
            await records.store.requeue(running.download_id, 1, Requeue(Cause.HANDOVER, queued()))
            await records.cancel(running)
        case "cancel":
            await records.cancel(running)
        case "merge":
            assert await records.store.identify(claim, "videos/x") is False

    assert await records.picked(site_limit=1) == [waiting.download_id]


async def test_a_parked_one_that_is_cancelled_takes_nobodys_place(records: Records) -> None:
    _, claim = await records.claimed()
    first, second = await at_one_site(records, 2)
    assert await records.picked(site_limit=1) == []
    await records.cancel(first)

    await records.store.finish(claim, queued().body(), Ending())

    assert await records.picked(site_limit=1) == [second.download_id]


async def test_one_that_is_claimed_after_it_was_parked_waits_for_nothing(records: Records) -> None:
    """Its worker stood still between its pick and its claim, for longer than it was kept for it."""
    late, quick, waiting = await at_one_site(records, 3)
    assert await records.picked(1, site_limit=1) == [late.download_id]
    await records.redis.delete(*await records.redis.keys(keys.SITE + "*"))
    _, claim = await records.claimed(quick)
    assert await records.picked(site_limit=1) == []
    await records.claimed(late)

    await records.store.finish(claim, queued().body(), Ending())

    score = await records.redis.zscore(keys.QUEUE, keys.arq_id(late.download_id, 1))
    assert score is not None
    assert score > await records.now_ms(), "it runs, and is in nobody's way"
    assert await records.picked(site_limit=2) == [waiting.download_id]


async def test_a_dead_workers_place_is_free_when_its_lease_has_ended(records: Records) -> None:
    await records.claimed(lease=0)
    job = await records.created()

    assert await records.picked(site_limit=1) == [job.download_id]


async def test_a_renewed_lease_keeps_its_place(records: Records) -> None:
    job, _ = await records.claimed(lease=0)
    await records.store.renew({job.download_id: 1}, 60)
    await records.created()

    assert await records.picked(site_limit=1) == []


async def test_a_www_is_the_same_site(records: Records) -> None:
    await records.claimed(await records.created(url="https://www.example.com/x"))
    await records.created(url="https://example.com:8443/y")

    assert await records.picked(site_limit=1) == []


async def test_without_a_limit_nothing_is_parked(records: Records) -> None:
    jobs = await at_one_site(records, 30)

    assert await records.picked() == [job.download_id for job in jobs]


async def test_one_whose_record_is_gone_is_no_obstacle(records: Records) -> None:
    lost, job = await at_one_site(records, 2)
    await records.redis.delete(keys.DOWNLOAD + lost.download_id)

    assert await records.picked(site_limit=1) == [lost.download_id, job.download_id]
    assert await records.store.claim(lost.download_id, 1, 60, "worker") is None


URL = "https://example.com/shared"


async def test_a_persons_request_hastens_a_bulk_one(records: Records) -> None:
    others = [await records.created(priority=Priority.BULK) for _ in range(3)]
    bulk = await records.created(url=URL, priority=Priority.BULK)

    await records.created(url=URL)
    await records.created(url=URL, priority=Priority.BULK)  # which does not take it back

    assert await records.picked() == [bulk.download_id, *(job.download_id for job in others)]


async def test_a_persons_request_hastens_one_that_waits_for_its_site(records: Records) -> None:
    _, claim = await records.claimed()
    first = await records.created(priority=Priority.BULK)
    bulk = await records.created(url=URL, priority=Priority.BULK)
    assert await records.picked(site_limit=1) == []

    await records.created(url=URL)
    await records.store.finish(claim, queued().body(), Ending())

    assert await records.picked(site_limit=1) == [bulk.download_id]
    assert first.download_id != bulk.download_id


async def test_a_persons_request_does_not_shorten_a_delay(records: Records) -> None:
    bulk, _ = await records.claimed(await records.created(url=URL, priority=Priority.BULK))
    await records.retried(bulk)
    await records.created(url=URL)
    assert await records.picked() == []

    await records.created(priority=Priority.BULK)
    await records.redis.zadd(keys.DELAYED, {keys.arq_id(bulk.download_id, 2): await records.now_ms() - 1})
    assert (await records.picked())[0] == bulk.download_id
