"""Callers take turns: a thousand downloads of one don't stand before another's first."""

import random
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from support.records import Records, of
from vidferry_common.contract import keys
from vidferry_common.contract.messages import queued_update
from vidferry_common.contract.priority import Priority
from vidferry_common.store import Cause, Claim, Ending, NewJob, Requeue

pytestmark = pytest.mark.anyio
HEAD_START = Priority.INTERACTIVE.head_start_ms / 1000
SHARES: dict[str, Any] = {"site_share": 0.5, "caller_share": 0.75}
"""the defaults"""
SITE = "https://site.example/"


class Slots:
    """The slots of one worker: what runs there ends one by one, and the next is started."""

    def __init__(self, records: Records, slots: int, **limits: Any) -> None:
        self._records, self._slots, self._limits = records, slots, {"slots": slots, **SHARES, **limits}
        self.running: dict[str, Claim] = {}
        self.started: list[str] = []
        """ids of downloads, in the order of their starts"""

    async def start(self) -> None:
        """All that can be started."""
        while len(self.running) < self._slots:
            await of(self._records.redis.delete(keys.DOORBELL))
            picked = await self._records.picked(self._slots - len(self.running), **self._limits)
            for download_id in picked:
                claim = await self._records.store.leases.claim(download_id, 1, 60, "worker")
                assert claim is not None
                self.running[download_id] = claim
            self.started += picked
            if not picked and not await of(self._records.redis.llen(keys.DOORBELL)):
                return

    async def end_one(self) -> None:
        claim = self.running.pop(next(iter(self.running)))
        assert await self._records.store.downloads.finish(claim, queued_update().body(), Ending()) is not None
        await self.start()

    async def run_all(self) -> list[str]:
        await self.start()
        while self.running:
            await self.end_one()
        return self.started


async def of_caller(records: Records, caller: str, count: int, site: str = SITE, **fields: Any) -> list[NewJob]:
    return [await records.created(url=f"{site}{uuid.uuid4()}", caller=caller, **fields) for _ in range(count)]


def ids(jobs: list[NewJob]) -> list[str]:
    return [job.download_id for job in jobs]


CASES: Mapping[str, tuple[int, dict[str, Any], int]] = {
    "one slot": (1, {}, 2),
    "one slot without shares": (1, {"site_share": 1, "caller_share": 1}, 2),
    "several slots": (4, {}, 3),
    "a site at its own limit": (8, {"site_limit": 1}, 2),
    "a site at its own limit, and callers without": (8, {"site_limit": 2, "caller_share": 1}, 3),
}


@pytest.mark.parametrize("busy", [False, True], ids=["at once", "after some have run"])
@pytest.mark.parametrize("case", CASES)
async def test_fifty_of_one_do_not_stand_before_anothers_first(case: str, busy: bool, records: Records) -> None:
    count, limits, bound = CASES[case]
    slots = Slots(records, count, **limits)
    first = await of_caller(records, "a", 50)
    if busy:
        await slots.start()
        for _ in range(10):
            await slots.end_one()
    before = len(slots.started)
    (other,) = await of_caller(records, "b", 1)

    started = await slots.run_all()

    assert started.index(other.download_id) - before <= bound
    assert [id_ for id_ in started if id_ != other.download_id] == ids(first), "each of a caller's in its order"
    assert [key for key in await records.redis.keys("*") if key.startswith(keys.CALLER.encode())] == []


@pytest.mark.parametrize("limits", [{}, {"site_limit": 1}])
async def test_three_callers_are_served_one_after_another(limits: dict[str, Any], records: Records) -> None:
    slots = Slots(records, 1, **limits)
    of_each = {caller: await of_caller(records, caller, 20) for caller in "abc"}
    whose = {job.download_id: caller for caller, jobs in of_each.items() for job in jobs}

    started = [whose[id_] for id_ in await slots.run_all()]

    assert all(sorted(started[at : at + 3]) == ["a", "b", "c"] for at in range(0, 60, 3)), started


async def test_many_sites_of_one_caller_are_no_more_turns(records: Records) -> None:
    slots = Slots(records, 2)
    for number in range(30):
        await of_caller(records, "a", 1, f"https://site-{number}.example/")
    (other,) = await of_caller(records, "b", 1)

    assert (await slots.run_all()).index(other.download_id) <= 2


async def test_a_caller_whose_sites_are_full_does_not_lose_its_turn_elsewhere(records: Records) -> None:
    slots = Slots(records, 4, site_limit=1)
    await of_caller(records, "a", 50)
    (elsewhere,) = await of_caller(records, "a", 1, "https://elsewhere.example/")

    await slots.start()

    assert elsewhere.download_id in slots.running


async def test_a_persons_request_does_not_wait_for_the_bulk_of_its_caller(records: Records) -> None:
    slots = Slots(records, 1)
    bulk = await of_caller(records, "a", 5, priority=Priority.BULK)
    (person,) = await of_caller(records, "a", 1)

    assert await slots.run_all() == [person.download_id, *ids(bulk)]


async def test_a_person_who_joins_a_bulk_request_brings_it_the_turn(records: Records) -> None:
    bulk = await of_caller(records, "a", 5, priority=Priority.BULK)
    await records.created(url=bulk[3].url, caller="b")

    assert (await Slots(records, 1).run_all())[0] == bulk[3].download_id


@pytest.mark.parametrize("busy", [False, True], ids=["at once", "after some have run"])
async def test_the_first_of_another_caller_goes_in_its_own_turn_also_where_somebody_asked_before(
    busy: bool, records: Records
) -> None:
    many = await of_caller(records, "a", 50)
    slots = Slots(records, 1)
    await slots.start()
    if busy:
        for _ in range(4):
            await slots.end_one()
    joined = await records.created(url=many[40].url, caller="b")

    await slots.end_one()
    await slots.end_one()

    assert many[40].download_id in slots.started
    assert (await records.read(joined)).download_id == many[40].download_id
    assert sorted(await slots.run_all()) == sorted(ids(many)), "and all others run"


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_left_where_callers_ask_for_the_same(seed: int, records: Records) -> None:
    chance = random.Random(seed)
    slots, jobs = Slots(records, 2), []
    for _ in range(40):
        url = f"https://site-{chance.choice('ab')}.example/{chance.randrange(20)}"
        priority = chance.choice(list(Priority))
        jobs.append(await records.created(url=url, caller=chance.choice("xxxxabcdef"), priority=priority))
        one = await records.read(chance.choice(jobs))
        if chance.random() < 0.3 and one.download_id not in slots.running:
            await records.store.jobs.cancel(one)
        await slots.start()

    assert len(set(await slots.run_all())) == len(slots.started)
    assert {(await records.read(job)).download_id for job in jobs} == {""}, "all have ended"
    left = [key.decode() for key in await records.redis.keys("*")]
    assert [key for key in left if key.startswith((keys.SITE, keys.CALLER, keys.LINE, keys.QUEUE))] == []


async def test_bulk_waits_for_persons_of_all_callers_until_it_is_old(records: Records) -> None:
    bulk = await of_caller(records, "a", 3, priority=Priority.BULK)
    (person,) = await of_caller(records, "b", 1)
    assert (await Slots(records, 1).run_all())[0] == person.download_id
    assert bulk

    old = await of_caller(records, "c", 3, priority=Priority.BULK)
    for job in old:
        await records.aged(job, HEAD_START + 60)
    persons = await of_caller(records, "d", 3)
    slots = Slots(records, 1)

    started = await slots.run_all()

    assert started[:4] == [old[0].download_id, persons[0].download_id, old[1].download_id, persons[1].download_id]


async def test_retries_that_are_due_together_take_turns_too(records: Records) -> None:
    jobs = await of_caller(records, "a", 20)
    for job in jobs:
        await records.claimed(job)
        await records.retried(job)
    (other,) = await of_caller(records, "b", 1)
    past = await records.now_ms() - 60_000
    for number, job in enumerate(jobs):
        due = past + number
        await of(records.redis.hset(keys.DOWNLOAD + job.download_id, mapping={"due": due, "queued_since": due}))
        await records.redis.zadd(keys.DELAYED, {keys.arq_id(job.download_id, 2): due})

    assert await records.picked(2) == [jobs[0].download_id, other.download_id]


async def test_one_that_is_handed_over_goes_before_its_callers_others(records: Records) -> None:
    jobs = await of_caller(records, "a", 3)
    assert await records.picked(1, **SHARES, slots=1) == [jobs[0].download_id]
    await records.claimed(jobs[0])
    await records.store.downloads.requeue(jobs[0].download_id, 1, Requeue(Cause.HANDOVER, queued_update()))

    assert await records.picked(1, **SHARES, slots=1) == [jobs[0].download_id]


async def test_a_turn_that_is_cancelled_goes_to_the_next(records: Records) -> None:
    jobs = await of_caller(records, "a", 4)
    await records.cancel(jobs[0])
    await records.cancel(jobs[2])

    assert await Slots(records, 1).run_all() == [jobs[1].download_id, jobs[3].download_id]


async def test_a_turn_whose_record_expired_goes_to_the_next(records: Records) -> None:
    expired, *others = await of_caller(records, "a", 3)
    await records.redis.delete(keys.DOWNLOAD + expired.download_id)

    assert await records.picked(**SHARES, slots=8) == [expired.download_id, *ids(others)]


async def test_what_an_older_api_queued_is_all_picked(records: Records) -> None:
    """It makes every download ready at once."""
    jobs = await of_caller(records, "a", 5)
    for job in jobs:
        arq_id = keys.arq_id(job.download_id, 1)
        for line in await records.redis.keys(keys.LINE + "*"):
            await records.redis.zrem(line, arq_id)
        await records.redis.zadd(keys.QUEUE, {arq_id: await records.now_ms() - Priority.INTERACTIVE.head_start_ms})
    for key in await records.redis.keys(keys.CALLER + "*"):
        await records.redis.delete(key)

    assert await Slots(records, 2).run_all() == ids(jobs)
