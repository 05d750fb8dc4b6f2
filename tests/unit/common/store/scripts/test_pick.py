"""What a worker may start, and in which order."""

import asyncio
import random
import uuid
from collections import Counter
from typing import Any

import pytest

from support.records import CAP, Records, new_job, of
from vidferry_common.contract import keys
from vidferry_common.contract.messages import PARKED, queued_update
from vidferry_common.contract.priority import Priority
from vidferry_common.store import Cancelled, Cause, Ending, JobLimits, Limits, NewJob, Requeue

pytestmark = pytest.mark.anyio
HEAD_START = Priority.INTERACTIVE.head_start_ms / 1000


async def test_an_empty_queue_gives_nothing(records: Records) -> None:
    assert await records.store.queue.pick(4) == ([], None)


async def test_a_pick_that_finds_nothing_asks_little_and_writes_nothing(records: Records) -> None:
    """Idle workers do little else."""
    _, claim = await records.claimed()
    await records.store.downloads.requeue(claim.download_id, 1, Requeue(Cause.RETRY, queued_update(), 60, limit=9))
    await of(records.redis.delete(keys.DOORBELL))
    await records.store.queue.pick(4)
    await of(records.redis.config_resetstat())

    arq_ids, seconds = await records.store.queue.pick(4)

    assert arq_ids == []
    assert seconds is not None
    assert 50 < seconds <= 60
    told = await of(records.redis.info("commandstats"))
    asked = {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in told.items()}
    del asked["evalsha"], asked["config|resetstat"]
    assert asked == {"time": 1, "zrange": 1, "exists": 1, "zrangebyscore": 1}


async def test_the_oldest_first_and_no_more_than_asked_for(records: Records) -> None:
    jobs = [await records.created() for _ in range(4)]
    for age, job in enumerate(jobs):
        await records.made_due(job, 10 + age)

    assert await records.picked(3) == [job.download_id for job in reversed(jobs[1:])]


async def test_five_hundred_bulk_ones_do_not_stand_before_a_person(records: Records) -> None:
    for number in range(500):
        await records.store.jobs.create(new_job(priority=Priority.BULK, url=f"https://example.com/{number}"), CAP)
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
    monkeypatch.setattr("vidferry_common.store.queue.PICK_SECONDS", 0.2)
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
    await records.store.downloads.finish(claim, queued_update().body(), Ending())

    assert await records.picked() == []


async def test_a_delayed_one_is_picked_when_it_is_due_and_not_before(records: Records) -> None:
    job, _ = await records.claimed()
    await records.retried(job, delay=60)
    later, _ = await records.claimed()
    await records.retried(later, delay=600)
    arq_ids, seconds = await records.store.queue.pick(4)
    assert arq_ids == []
    assert seconds is not None
    assert 50 < seconds <= 60, "of the next one"

    await records.redis.zadd(keys.DELAYED, {keys.arq_id(job.download_id, 2): await records.now_ms() - 1})
    arq_ids, seconds = await records.store.queue.pick(4)

    assert arq_ids == [keys.arq_id(job.download_id, 2).encode()]
    assert seconds is not None
    assert seconds > 500
    assert await records.store.leases.claim(job.download_id, 2, 60, "worker") is not None


async def test_a_delayed_one_takes_its_place_by_when_it_was_due(records: Records) -> None:
    """One that was due long ago, while no worker looked, does not stand behind those that came since."""
    job, _ = await records.claimed()
    await records.retried(job)
    since = await records.created()
    await records.made_due(since, 10)
    due = await records.now_ms() - 20_000
    await of(records.redis.hset(keys.DOWNLOAD + job.download_id, mapping={"due": due, "queued_since": due}))
    await records.redis.zadd(keys.DELAYED, {keys.arq_id(job.download_id, 2): due})

    assert await records.picked() == [job.download_id, since.download_id]


async def test_a_handed_over_one_keeps_its_place(records: Records) -> None:
    job, waiting = await records.created(), await records.created()
    await records.made_due(job, 20)
    await records.made_due(waiting, 10)
    await records.claimed(job)
    await records.store.downloads.requeue(job.download_id, 1, Requeue(Cause.HANDOVER, queued_update()))

    assert await records.picked() == [job.download_id, waiting.download_id]


async def at_one_site(records: Records, count: int, callers: str = "") -> list[NewJob]:
    jobs = [await records.created(caller=caller) for caller in callers or [""] * count]
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
        await records.store.downloads.finish(claim, queued_update().body(), Ending())
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
    assert await records.store.downloads.claim_object(other, "videos/x")
    waiting = await records.created()
    assert await records.picked(site_limit=1) == []

    match ending:
        case "retry":
            await records.retried(running)
        case "handover":
            await records.store.downloads.requeue(running.download_id, 1, Requeue(Cause.HANDOVER, queued_update()))
            await records.cancel(running)
        case "cancel":
            await records.cancel(running)
        case "merge":
            assert await records.store.downloads.claim_object(claim, "videos/x") is False

    assert await records.picked(site_limit=1) == [waiting.download_id]


@pytest.mark.parametrize("callers", ["aa", "ab"])
async def test_a_parked_one_that_is_cancelled_takes_nobodys_place(callers: str, records: Records) -> None:
    _, claim = await records.claimed()
    first, second = await at_one_site(records, 2, callers)
    assert await records.picked(site_limit=1) == []
    await records.cancel(first)

    await records.store.downloads.finish(claim, queued_update().body(), Ending())

    assert await records.picked(site_limit=1) == [second.download_id]


@pytest.mark.parametrize("callers", ["aaa", "abc"])
async def test_one_that_is_claimed_after_it_was_parked_waits_for_nothing(callers: str, records: Records) -> None:
    """Its worker stood still between its pick and its claim, for longer than it was kept for it."""
    late, quick, waiting = await at_one_site(records, 3, callers)
    assert await records.picked(1, site_limit=1) == [late.download_id]
    await records.redis.delete(*await records.redis.keys(keys.SITE + "*"))
    _, claim = await records.claimed(quick)
    assert await records.picked(site_limit=1) == []
    await records.claimed(late)

    await records.store.downloads.finish(claim, queued_update().body(), Ending())

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
    await records.store.leases.renew({job.download_id: 1}, 60)
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
    assert await records.store.leases.claim(lost.download_id, 1, 60, "worker") is None


ONE_SITE: dict[str, Any] = {"slots": 4, "site_share": 0.5}
ONE_CALLER: dict[str, Any] = {"slots": 4, "caller_share": 0.75}


async def of_one_caller(records: Records, count: int, caller: str = "192.0.2.7") -> list[NewJob]:
    """Each at a site of its own."""
    return [await records.created(url=f"https://example-{uuid.uuid4().hex}.com/", caller=caller) for _ in range(count)]


@pytest.mark.parametrize(("slots", "share"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4)])
async def test_a_site_takes_half_of_the_slots_and_one_at_least(slots: int, share: int, records: Records) -> None:
    await at_one_site(records, 12)

    assert len(await records.picked(slots, slots=slots, site_share=0.5)) == share


async def test_a_site_has_no_more_for_its_many_names(records: Records) -> None:
    hosts = ("evil.example", "a.evil.example", "b.a.evil.example:8443", "www.evil.example", "EVIL.example.")
    for host in hosts:
        await records.created(url=f"https://{host}/")
    for host in ("198.51.100.1", "[::ffff:198.51.100.1]", "198.51.100.1:8080"):
        await records.created(url=f"http://{host}/")

    assert len(await records.picked(slots=2, site_share=0.5)) == 2, "one of each"


async def test_the_slots_of_all_workers_count(records: Records) -> None:
    for number in range(3):
        await records.store.leases.find_expired(f"w{number}", 60, 60, 60, slots=4)
    await records.store.leases.find_expired("w2", 60, 60, 60, slots=4)
    await at_one_site(records, 12)

    assert len(await records.picked(**ONE_SITE)) == 6


@pytest.mark.parametrize("gone", ["silent", "stopping"])
async def test_those_of_a_worker_that_takes_nothing_any_more_do_not(gone: str, records: Records) -> None:
    """A silent one counts for as long as its leases do."""
    await records.store.leases.find_expired("other", 60, 60, 60, slots=40)
    await records.redis.zadd(keys.WORKERS, {"40:other": await records.now_ms() - 1})
    await records.store.leases.find_expired(*(("w", 60, 60, 60, 4) if gone == "silent" else ("other", 60, 60, 60, 0)))
    await at_one_site(records, 12)

    assert len(await records.picked(**ONE_SITE)) == 2


async def test_a_limit_holds_beside_a_share(records: Records) -> None:
    await at_one_site(records, 3)

    assert len(await records.picked(slots=100, site_share=0.5, site_limit=1)) == 1


async def test_where_there_are_more_slots_those_that_wait_get_them(records: Records) -> None:
    jobs = await at_one_site(records, 8)
    picked = await records.picked(**ONE_SITE)
    assert len(picked) == 2
    claims = [(await records.claimed(job))[1] for job in jobs[:2]]
    await records.store.leases.find_expired("w", 60, 60, 60, slots=8)

    await records.store.downloads.finish(claims[0], queued_update().body(), Ending())

    assert await all_picked(records, **ONE_SITE) == [job.download_id for job in jobs[2:5]]


async def all_picked(records: Records, **limits: Any) -> list[str]:
    """By as many looks as it takes; what is parked may be woken by each."""
    found: list[str] = []
    while await of(records.redis.lpop(keys.DOORBELL)):
        found += await records.picked(**limits)
    return found


async def test_a_caller_leaves_slots_to_others(records: Records) -> None:
    jobs = await of_one_caller(records, 9)
    await records.store.leases.find_expired("w", 60, 60, 60, slots=4)
    assert await records.picked(**ONE_CALLER) == [job.download_id for job in jobs[:3]]
    other = await records.created(caller="192.0.2.8")

    assert await records.picked(**ONE_CALLER) == [other.download_id]
    _, claim = await records.claimed(jobs[0])
    await records.store.downloads.finish(claim, queued_update().body(), Ending())
    assert await all_picked(records, **ONE_CALLER) == [jobs[3].download_id]


async def test_nobody_is_counted_whose_address_is_not_known(records: Records) -> None:
    jobs = await of_one_caller(records, 9, caller="")

    assert await records.picked(**ONE_CALLER) == [job.download_id for job in jobs]


async def test_a_download_counts_for_the_caller_who_asked_first(records: Records) -> None:
    """Else whoever joins it would pay for what another began."""
    first = await records.created(url=URL, caller="192.0.2.7")
    await records.created(url=URL, caller="192.0.2.8")
    assert await records.picked(slots=1, caller_share=0.5) == [first.download_id]

    (second,) = await of_one_caller(records, 1, caller="192.0.2.8")
    await of_one_caller(records, 1, caller="192.0.2.7")
    assert await records.picked(slots=1, caller_share=0.5) == [second.download_id]


async def test_who_asked_is_kept_as_a_digest_and_until_the_download_ends(records: Records) -> None:
    (job,) = await of_one_caller(records, 1)
    assert await of(records.redis.hget(keys.DOWNLOAD + job.download_id, "caller"))
    assert b"192.0.2.7" not in repr(await records.dump()).encode()

    _, claim = await records.claimed(job)
    await records.store.downloads.finish(claim, queued_update().body(), Ending())

    assert await of(records.redis.hget(keys.DOWNLOAD + job.download_id, "caller")) is None
    assert await records.redis.keys(keys.CALLER + "*") == []


async def test_a_full_caller_holds_up_nobody_at_a_site_nor_a_full_site_a_caller(records: Records) -> None:
    limits: dict[str, Any] = {"slots": 2, "site_limit": 1, "caller_share": 0.5}
    site = "https://shared.example/"
    _, at_site = await records.claimed(await records.created(url=site, caller="zero"))
    _, elsewhere = await records.claimed((await of_one_caller(records, 1, caller="one"))[0])
    of_full, of_idle = [await records.created(url=f"{site}{caller}", caller=caller) for caller in ("one", "two")]
    assert await all_picked(records, **limits) == []

    await records.store.downloads.finish(at_site, queued_update().body(), Ending())
    assert await all_picked(records, **limits) == [of_idle.download_id], "the older one waits for its caller by now"

    _, at_site = await records.claimed(of_idle)
    await records.store.downloads.finish(elsewhere, queued_update().body(), Ending())
    assert await all_picked(records, **limits) == [], "now it waits for its site again"
    await records.store.downloads.finish(at_site, queued_update().body(), Ending())
    assert await all_picked(records, **limits) == [of_full.download_id]


async def test_a_look_that_found_nothing_among_many_is_followed_by_another(records: Records) -> None:
    """Whatever the doorbell says: it may have been rung for others, or not be there any more."""
    await at_one_site(records, 200)
    elsewhere = await records.created(url="https://elsewhere.example/x")
    await records.redis.delete(keys.DOORBELL)
    found: list[bytes] = []
    due: float | None = 0
    while due == 0:
        arq_ids, due = await records.store.queue.pick(2, Limits(site_limit=1))
        found += arq_ids

    assert found[1:] == [keys.arq_id(elsewhere.download_id, 1).encode()]


async def test_who_watches_is_told_once_why_it_waits(records: Records) -> None:
    first, parked = await at_one_site(records, 2)
    await records.listen(parked.job_id)
    assert await records.picked(site_limit=1) == [first.download_id]
    _, claim = await records.claimed(first)
    await records.created()
    assert await records.picked(site_limit=1) == []
    (told,) = await records.heard(parked.job_id)
    assert (told["data"]["status"], told["data"]["message"]) == ("queued", PARKED)
    joined = await records.created(url=parked.url)
    assert (await records.state(joined.job_id))["data"]["message"] == PARKED

    await records.store.downloads.finish(claim, queued_update().body(), Ending())
    assert await records.picked(site_limit=1) == [parked.download_id]
    await records.retried((await records.claimed(parked))[0])
    assert (await records.state(parked.job_id))["data"]["message"] != PARKED


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_the_limits_hold_and_nobody_waits_for_nothing(seed: int, records: Records) -> None:
    chance = random.Random(seed)
    limits: dict[str, Any] = {"slots": 8, "site_share": 0.5, "caller_share": 0.75}
    if seed % 2:
        limits = {"slots": 5, "site_limit": 1, "caller_share": 0.4}
    crowd = Crowd(records, limits)
    for number in range(60):
        caller = chance.choice("xxy")
        job = await records.created(
            url=f"https://site-{chance.choice('aab')}.example/{number}",
            owner=caller,
            caller=caller,
            limits=JobLimits(jobs_running=RUNNING[caller]),
            priority=chance.choice(list(Priority)),
        )
        crowd.jobs[job.download_id] = job
        if chance.random() < 0.5:
            await crowd.act(chance)
    while crowd.jobs:
        await crowd.act(chance)

    assert await records.redis.zcard(keys.QUEUE) == 0
    left = [key.decode() for key in await records.redis.keys("*")]
    assert [key for key in left if key.startswith((keys.SITE, keys.CALLER, keys.LINE, keys.OPEN_JOBS))] == []


RUNNING = {"x": 2, "y": 0}
"""of each owner, at the most; 0: as many as the shares allow"""


class Crowd:
    """Jobs of few sites and callers, and workers that do with them what may happen."""

    def __init__(self, records: Records, limits: dict[str, Any]) -> None:
        self.records, self.limits = records, limits
        self.jobs: dict[str, NewJob] = {}
        self.running: dict[str, int] = {}
        site = limits.get("site_limit") or int(limits["slots"] * limits["site_share"])
        caller = int(limits["slots"] * limits["caller_share"])
        self._most = {f"site site-{name}.example": site for name in "ab"}
        self._most |= {f"caller {name}": min(caller, most or caller) for name, most in RUNNING.items()}

    def full(self) -> set[str]:
        """The sites and callers of which no more may run; none has more than that."""
        counted = Counter(name for id_ in self.running for name in self._groups(self.jobs[id_]))
        assert all(count <= self._most[name] for name, count in counted.items()), counted
        return {name for name, count in counted.items() if count == self._most[name]}

    def _groups(self, job: NewJob) -> set[str]:
        return {f"site {job.site}", f"caller {job.caller}"}

    async def act(self, chance: random.Random) -> None:
        if self.running and chance.random() < 0.7:
            await self._end(chance, *chance.choice(list(self.running.items())))
        elif self.jobs and chance.random() < 0.3:
            await self._cancel(chance.choice(list(self.jobs)))
        await self._start()

    async def _start(self) -> None:
        """All that may run; what waits then has a reason to."""
        picked = await self.records.picked(**self.limits)
        while picked or await of(self.records.redis.lpop(keys.DOORBELL)):
            for download_id in picked:
                attempt = (await self.records.download(download_id)).attempt + 1
                assert await self.records.store.leases.claim(download_id, attempt, 60, "worker") is not None
                self.running[download_id] = attempt
            picked = await self.records.picked(**self.limits)
        full = self.full()
        waiting = {id_: job for id_, job in self.jobs.items() if id_ not in self.running}
        assert [id_ for id_, job in waiting.items() if not self._groups(job) & full] == []

    async def _end(self, chance: random.Random, download_id: str, attempt: int) -> None:
        del self.running[download_id]
        if chance.random() < 0.3:
            await self.records.store.downloads.requeue(download_id, attempt, Requeue(Cause.HANDOVER, queued_update()))
            return
        await self._cancel(download_id)

    async def _cancel(self, download_id: str) -> None:
        self.running.pop(download_id, None)
        assert await self.records.cancel(self.jobs.pop(download_id)) is Cancelled.CANCELLED


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
    await records.store.downloads.finish(claim, queued_update().body(), Ending())

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


async def test_what_expired_while_it_was_parked_holds_up_none_behind_it(records: Records) -> None:
    running, expired, last = [await records.created() for _ in range(3)]
    for age, job in enumerate((last, expired, running)):
        await records.made_due(job, 10 + age)
    assert await records.picked(slots=2, site_share=0.5) == [running.download_id]
    _, claim = await records.claimed(running)
    await records.redis.delete(keys.DOWNLOAD + expired.download_id)

    assert await records.store.downloads.finish(claim, claim.last.body(), Ending())

    assert last.download_id in await records.picked(slots=2, site_share=0.5)
