"""Sites that want fewer requests pause: nothing starts there, nothing is lost, and one trial goes before the others."""

import asyncio
import random
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.pauses import RULE, SITE, answer, claim, pass_time, pause_key, refuse, refused, seconds_left, tend
from support.records import CAP, SECONDS, Records, at, body, new_job, of
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import RELEASED, SPACED, queued_update
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.stages import INFO, first_step
from vidferry_common.store import (
    Cancelled,
    Cause,
    Ending,
    Limits,
    NewJob,
    Pauses,
    QueueFull,
    Refusal,
    Requeue,
    SiteLimits,
    describe_sites,
)
from vidferry_common.store.pauses import MAX_REFUSALS, TENDED

pytestmark = pytest.mark.anyio
ELSEWHERE = "https://elsewhere.example/x"


async def at_site(records: Records, count: int, **fields: Any) -> list[NewJob]:
    return [await records.created(url=f"https://{SITE}/{uuid.uuid4()}", **fields) for _ in range(count)]


async def end_delays(records: Records) -> None:
    """As if all that waits by itself had waited."""
    for arq_id in await records.redis.zrange(keys.DELAYED, 0, -1):
        now, download_id = await records.now_ms() - 1, arq_id.decode().rpartition(":")[0]
        await of(records.redis.hset(keys.DOWNLOAD + download_id, "queued_since", str(int(now))))
        await records.redis.zadd(keys.DELAYED, {arq_id: now})


def ids(jobs: list[NewJob]) -> list[str]:
    return [job.download_id for job in jobs]


async def held(records: Records, pause: str = "") -> list[str]:
    return [
        arq_id.decode().rpartition(":")[0]
        for arq_id in await records.redis.zrange(f"{pause or pause_key()}:held", 0, -1)
    ]


async def test_nothing_starts_at_a_site_that_pauses_and_all_does_elsewhere(records: Records) -> None:
    first = await refused(records)
    jobs, other = await at_site(records, 3), await records.created(url=ELSEWHERE)

    assert await records.picked() == [other.download_id]
    assert await held(records) == [*ids(jobs), first.download_id]
    assert await records.redis.zcard(keys.QUEUE) == 2, "an autoscaler counts what can run, and leaves one worker"
    assert await records.redis.zcard(keys.HELD) == 4


async def test_watchers_are_told_why_they_wait_and_until_when(records: Records) -> None:
    first = await refused(records)
    (later,) = await at_site(records, 1)
    await records.listen(later.job_id)
    assert await records.picked() == []

    for job in (first, later):
        told = (await records.read(job)).state
        until = datetime.now(UTC) + timedelta(seconds=60)
        assert until - timedelta(seconds=9) < datetime.fromisoformat(told["retry_at"]) <= until + timedelta(seconds=1)
        assert (
            told["message"]
            == f"{SITE} asks for fewer requests. This download goes on after {told['retry_at'][11:16]} UTC."
        )
        assert (told["status"], told["retries"], told["pause_code"]) == ("queued", 0, "rate_limited")
    assert len(await records.heard(later.job_id)) == 1


async def test_one_trial_goes_first_and_the_rest_follow_in_order(records: Records) -> None:
    first = await refused(records)
    jobs = await at_site(records, 3)
    assert await records.picked() == []
    await pass_time(records)

    assert await records.picked() == [jobs[0].download_id]
    assert await records.picked() == []
    trial = await claim(records, jobs[0])
    assert await records.picked() == []
    await answer(records, trial)
    assert await tend(records) == 1

    assert await records.picked() == [first.download_id, *ids(jobs[1:])]
    assert (await records.read(first)).state["message"] == RELEASED
    assert (await records.read(first)).state["retry_at"] is None
    assert "pause_code" not in (await records.read(first)).state
    assert await records.redis.exists(keys.PAUSES, keys.PAUSE_NEWS, keys.HELD, pause_key()) == 0


async def test_what_comes_while_the_rest_follows_does_not_overtake_it(records: Records) -> None:
    first = await refused(records)
    jobs = await at_site(records, 2)
    assert await records.picked() == []
    await pass_time(records)
    assert await records.picked() == [jobs[0].download_id]
    await answer(records, await claim(records, jobs[0]))
    late = (await at_site(records, 1))[0]

    assert await records.picked() == []
    await tend(records)
    assert await records.picked() == ids([first, jobs[1], late])


async def test_a_refused_trial_makes_the_pause_longer_and_goes_behind_the_others(records: Records) -> None:
    first = await refused(records)
    (second,) = await at_site(records, 1)
    assert await records.picked() == []
    assert 55 < await seconds_left(records) <= 60

    for trial, length in ((second, 120), (first, 240), (second, 480)):
        await pass_time(records)
        assert await records.picked() == [trial.download_id]
        await refuse(records, await claim(records, trial))
        assert length - 9 < await seconds_left(records) <= length


async def test_a_pause_has_a_longest_length(records: Records) -> None:
    job = await refused(records)
    await of(records.redis.hset(pause_key(), "length", "2000000"))
    await pass_time(records)
    assert await records.picked() == [job.download_id]
    await refuse(records, await claim(records, job))

    assert 3590 < await seconds_left(records) <= 3600


@pytest.mark.parametrize(("asked", "length"), [(5, 5), (600, 600), (10**6, 7200)])
async def test_a_site_says_how_long_it_wants_to_be_left_alone(asked: float, length: float, records: Records) -> None:
    job = await records.created(url=f"https://{SITE}/")
    await refuse(records, await claim(records, job), asked=asked)
    assert length - 4 < await seconds_left(records) <= length

    await pass_time(records)
    assert await records.picked() == [job.download_id]
    await refuse(records, await claim(records, job))
    assert min(2 * length, 3600) - 9 < await seconds_left(records) <= min(2 * length, 3600)


async def test_those_that_ran_already_make_it_no_longer_unless_the_site_asks(records: Records) -> None:
    jobs = await at_site(records, 3)
    claims = [await claim(records, job) for job in jobs]
    await refuse(records, claims[0])
    await refuse(records, claims[1])
    assert await seconds_left(records) <= 60

    await refuse(records, claims[2], asked=600)
    assert 590 < await seconds_left(records) <= 600
    await tend(records)
    assert len({(await records.read(job)).state["retry_at"] for job in jobs}) == 1, "all are told the later end"


async def test_a_url_that_is_always_refused_fails_alone(records: Records) -> None:
    bad = await refused(records)
    for number in range(2, MAX_REFUSALS + 1):
        (good,) = await at_site(records, 1)
        assert await records.picked() == ([] if number == 2 else [good.download_id]), "the site goes on"
        await pass_time(records)
        if number == 2:
            assert await records.picked() == [good.download_id], "another one is the trial"
        await answer(records, await claim(records, good))
        await tend(records)
        await end_delays(records)
        assert await records.picked() == [bad.download_id]
        outcome = await refuse(records, await claim(records, bad))
        assert outcome == ("ended" if number == MAX_REFUSALS else "requeued")
        assert await held(records) == [], "it waits by itself"

    state = (await records.read(bad)).state
    assert (state["status"], state["error"]["code"], state["retries"]) == ("failed", "rate_limited", 0)


async def test_the_last_refusal_of_the_only_one_leaves_no_pause(records: Records) -> None:
    job = await refused(records)
    for _ in range(2, MAX_REFUSALS + 1):
        await pass_time(records)
        assert await records.picked() == [job.download_id]
        outcome = await refuse(records, await claim(records, job))
    assert outcome == "ended"
    (next_one,) = await at_site(records, 1)

    assert await records.picked() == [next_one.download_id]


@pytest.mark.parametrize("end", ["cancelled", "retried", "handed over", "reused", "lost", "gone", "merged"])
async def test_a_trial_that_tells_nothing_of_the_site_gives_way_to_the_next(end: str, records: Records) -> None:
    await refused(records)
    trial, following = await at_site(records, 2)
    assert await records.picked() == []
    await pass_time(records)
    assert await records.picked() == [trial.download_id]
    running = await claim(records, trial)

    downloads = records.store.downloads
    match end:
        case "cancelled":
            assert await records.cancel(trial) is Cancelled.CANCELLED
        case "retried":
            await records.retried(trial, running.attempt)
        case "handed over":
            await downloads.requeue(trial.download_id, running.attempt, Requeue(Cause.HANDOVER, queued_update()))
        case "reused":
            await downloads.finish(running, body(INFO), Ending())
        case "lost":
            await records.end_lease(trial.download_id)
            how = Requeue(Cause.WORKER_LOSS, queued_update(), limit=0)
            assert await downloads.requeue(trial.download_id, 1, how) == "ended"
        case "gone":  # 0.2.0 has ended it, or Redis has lost it
            await records.redis.delete(keys.DOWNLOAD + trial.download_id)
            await records.redis.zrem(keys.QUEUE, keys.arq_id(trial.download_id, 1))
            assert await records.picked() == []
            await records.redis.zadd(keys.PAUSES, {pause_key(): await records.now_ms() - 1})
        case "merged":
            _, other = await records.claimed(await records.created(url=ELSEWHERE))
            assert await downloads.claim_object(other, "videos/x")
            assert await downloads.claim_object(running, "videos/x") is False

    assert await records.picked() == [following.download_id]


async def test_a_trial_whose_worker_dies_before_it_claims_is_found_again(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidferry_common.store.queue.PICK_SECONDS", 0.2)
    job = await refused(records)
    await pass_time(records)

    assert await records.picked() == [job.download_id]
    async with asyncio.timeout(10):
        while not (again := await records.picked()):
            pass
    assert again == [job.download_id]
    assert (await claim(records, job)).attempt == 2


async def test_the_trial_is_one_whose_caller_has_a_place(records: Records) -> None:
    await refused(records, caller="a")
    for _ in range(2):
        await records.claimed(await records.created(url=f"https://elsewhere.example/{uuid.uuid4()}", caller="b"))
    full, free = (await at_site(records, 1, caller="b"))[0], (await at_site(records, 1, caller="c"))[0]
    limits: dict[str, Any] = {"slots": 4, "caller_share": 0.5}
    assert await records.picked(**limits) == []
    await pass_time(records)

    assert await records.picked(**limits) == [free.download_id]
    assert full.download_id in await held(records)


async def test_the_next_trial_is_of_another_caller(records: Records) -> None:
    """Else one caller with many URLs that are always refused would hold a site for as many hours."""
    await refused(records, caller="a")
    await at_site(records, 3, caller="a")
    (other,) = await at_site(records, 1, caller="b")
    assert await records.picked() == []
    await pass_time(records)

    assert await records.picked() == [other.download_id]


MANY = 257
"""more downloads of one caller than a pick can look at one by one"""


async def hold_all(records: Records, jobs: list[NewJob]) -> None:
    """Has picks hold them."""
    while (await records.store.queue.pick(4))[1] == 0:
        pass
    assert set(ids(jobs)) <= set(await held(records))


async def test_many_downloads_of_a_full_caller_hold_up_no_trial(records: Records) -> None:
    await refused(records, caller="a")
    for _ in range(2):
        await records.claimed(await records.created(url=f"https://elsewhere.example/{uuid.uuid4()}", caller="b"))
    full = await at_site(records, MANY, caller="b")
    free = await at_site(records, 1, caller="c")
    await hold_all(records, [*full, *free])
    await pass_time(records)

    assert await records.picked(slots=4, caller_share=0.5) == ids(free)


async def test_many_downloads_that_are_always_refused_leave_trials_to_others(records: Records) -> None:
    """Of several callers too: trials go round."""
    await refused(records, caller="a")
    bad = [*await at_site(records, MANY, caller="a"), *await at_site(records, MANY, caller="b")]
    (good,) = await at_site(records, 1, caller="c")
    await hold_all(records, [*bad, good])
    bad_by_id = {job.download_id: job for job in bad}
    await pass_time(records)
    (trial,) = await records.picked()
    if trial != good.download_id:
        await refuse(records, await claim(records, bad_by_id[trial]))
        await pass_time(records)
        (trial,) = await records.picked()

    assert trial == good.download_id


async def test_a_place_by_caller_goes_with_the_download(records: Records) -> None:
    """However it leaves its pause, or moves within it."""
    await refused(records, caller="a")
    cancelled, raised, gone = await at_site(records, 3, caller="a", priority=Priority.BULK)
    await hold_all(records, [cancelled, raised, gone])
    await records.cancel(cancelled)
    joined = new_job(url=raised.url, caller="b", priority=Priority.INTERACTIVE)
    await records.store.jobs.create(joined, CAP)
    await records.redis.delete(keys.DOWNLOAD + gone.download_id)
    places = await records.redis.zrange(f"{pause_key()}:by-caller", 0, -1)
    assert len(places) == len(await held(records)) == 3
    await pass_time(records)

    assert await records.picked() == ids([raised])


async def test_no_pick_asks_to_be_called_again_at_once(records: Records) -> None:
    await refused(records)
    await at_site(records, 5)
    await records.picked()
    await of(records.redis.delete(keys.DOORBELL))
    arq_ids, seconds = await records.store.queue.pick(4)
    assert arq_ids == []
    assert seconds is not None
    assert seconds > 40
    await pass_time(records)
    (trial,) = await records.picked()

    for _ in range(3):  # while the trial runs
        arq_ids, seconds = await records.store.queue.pick(4)
        assert arq_ids == []
        assert seconds is not None
        assert seconds > 40
    assert trial
    assert await of(records.redis.llen(keys.DOORBELL)) == 0


async def test_a_pause_that_ends_while_all_are_full_is_not_looked_at_all_the_time(records: Records) -> None:
    await refused(records, caller="a")
    await records.claimed(await records.created(url=ELSEWHERE, caller="a"))
    await pass_time(records)

    arq_ids, seconds = await records.store.queue.pick(4, Limits(slots=2, caller_share=0.5))
    assert arq_ids == []
    assert seconds is not None
    assert seconds > 1


async def test_telling_and_releasing_are_bounded_and_reach_all(records: Records) -> None:
    await refused(records)
    jobs = await at_site(records, 2 * TENDED + 10)
    while (found := await records.store.queue.pick(4)) and found[1] == 0:
        assert found[0] == []
    assert len(await held(records)) == len(jobs) + 1
    assert await tend(records) == 1, "each was told as it was held"
    await pass_time(records)
    (trial,) = await records.picked()
    await refuse(records, await claim(records, jobs[0]))
    assert trial == jobs[0].download_id

    assert await tend(records) == 3
    assert {(await records.read(job)).state["retry_at"] for job in jobs} == {
        (await records.read(jobs[0])).state["retry_at"]
    }
    await pass_time(records)
    (trial,) = await records.picked()
    assert trial == jobs[1].download_id
    await answer(records, await claim(records, jobs[1]))
    assert await tend(records) == 3
    assert await records.redis.zcard(keys.HELD) == 0
    picked = await records.picked(1000)
    assert [each for each in picked if each in ids(jobs[2:])] == ids(jobs[2:])


async def test_a_held_one_is_cancelled_as_any_that_waits(records: Records) -> None:
    await refused(records)
    job, other = await at_site(records, 2)
    assert await records.picked() == []

    assert await records.cancel(job) is Cancelled.CANCELLED
    await pass_time(records)
    assert await records.picked() == [other.download_id]
    assert await records.redis.zcard(keys.HELD) == 1


async def test_credentials_and_ways_out_pause_by_themselves(records: Records) -> None:
    job = await records.created(url=f"https://{SITE}/1", credential="alice", partition="p")
    await refuse(records, await claim(records, job), way="w1")
    same = await records.created(url=f"https://{SITE}/2", credential="alice", partition="p")
    plain = await records.created(url=f"https://{SITE}/2")
    assert await records.picked(way="w1") == [plain.download_id]
    assert await held(records, pause_key(credential="alice", way="w1")) == ids([same, job])

    later = await records.created(url=f"https://{SITE}/3", credential="alice", partition="p")
    assert await records.picked(way="w2") == [later.download_id]


async def test_a_way_of_a_site_of_its_own_counts(records: Records) -> None:
    await refused(records)
    (job,) = await at_site(records, 1)

    assert await records.picked(sites=describe_sites({SITE: SiteLimits(way="other")})) == [job.download_id]


async def test_hosts_of_one_operator_are_one_site(records: Records) -> None:
    job = await records.created(url="https://youtu.be/x")
    await refuse(records, await claim(records, job))
    await records.created(url="https://www.youtube.com/watch?v=x")

    assert await records.picked() == []
    assert (await records.read(job)).state["message"].startswith("youtube.com asks")


async def test_a_refused_look_pauses_the_site_once(records: Records) -> None:
    refusal = Refusal(ErrorCode.BOT_CHECK, f"https://{SITE}/")
    await records.store.pauses.refuse_look(refusal, RULE)
    await records.store.pauses.refuse_look(refusal, RULE)
    (job,) = await at_site(records, 1)
    assert await records.picked() == []
    assert await seconds_left(records) <= 60
    assert (await records.read(job)).state["message"].startswith(f"{SITE} takes this service for a bot. This download")
    await pass_time(records)

    assert await records.picked() == [job.download_id]


async def test_a_pause_that_nobody_waits_for_is_forgotten(records: Records) -> None:
    await records.store.pauses.refuse_look(Refusal(ErrorCode.BOT_CHECK, f"https://{SITE}/"), RULE)
    await pass_time(records)

    assert await records.store.queue.pick(4) == ([], None)
    assert await records.redis.exists(keys.PAUSES, pause_key()) == 0


async def test_what_is_held_waits_for_no_worker(records: Records) -> None:
    job = await refused(records)
    await records.aged(job, 500)
    depth = await records.store.queue.read_depth()
    assert (depth.waiting, depth.deferred, depth.oldest) == (0, 0, 0)
    assert depth.pauses == {"rate_limited": Pauses(1, 1)}
    await pass_time(records)
    assert await records.picked() == [job.download_id]

    assert (await claim(records, job)).waited < 60


async def test_half_of_the_queue_is_for_others(records: Records) -> None:
    async def post(url: str) -> None:
        await records.store.jobs.create(new_job(url=url), 10)

    await refused(records)
    for number in range(4):
        await post(f"https://{SITE}/{number}")
        assert await records.picked() == []
    with pytest.raises(QueueFull):
        await post(f"https://{SITE}/more")

    for number in range(5):
        await post(f"https://elsewhere.example/{number}")
    with pytest.raises(QueueFull):
        await post("https://elsewhere.example/more")


async def test_bytes_of_held_ones_are_not_forgotten(records: Records) -> None:
    await refused(records)
    before = int(await of(records.redis.hget(keys.ROOM, "open")))
    await records.created(url=ELSEWHERE)

    assert int(await of(records.redis.hget(keys.ROOM, "open"))) > before


async def test_a_late_claim_takes_it_out_of_its_pause(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_common.store.queue.PICK_SECONDS", 0)
    late, other = await at_site(records, 2)
    assert len(await records.picked()) == 2
    await refuse(records, await claim(records, other))
    assert await records.picked() == []
    assert late.download_id in await held(records)

    await claim(records, late)
    assert await held(records) == [other.download_id]
    assert await records.redis.zscore(keys.QUEUE, keys.arq_id(late.download_id, 1)) == keys.RUNNING_SCORE


async def test_a_repeated_refusal_of_one_attempt_counts_once(records: Records) -> None:
    (job,) = await at_site(records, 1)
    running = await claim(records, job)
    await refuse(records, running)
    before = await records.dump()

    assert await refuse(records, running) == "stale"
    assert await records.dump() == before


async def test_records_of_held_ones_are_kept_as_long_as_they_wait(records: Records) -> None:
    (running,) = await at_site(records, 1)
    claimed = await claim(records, running)
    job = await refused(records)
    for key in (keys.JOB + job.job_id, keys.DOWNLOAD + job.download_id):
        await records.redis.expire(key, 10)

    await refuse(records, claimed, asked=600)
    await tend(records)

    for key in (keys.JOB + job.job_id, keys.DOWNLOAD + job.download_id):
        assert await records.redis.ttl(key) > SECONDS - 60


async def test_a_restart_says_why_it_waited(records: Records) -> None:
    job = await refused(records)
    waited = (await records.read(job)).state["message"]

    assert first_step(2, waited).message == f"Restarted: {SITE} asks for fewer requests."
    assert first_step(2, RELEASED).message == "Restarted: the site answers again."


@pytest.mark.parametrize("ms", [0, 951782399999, 951782400000, 1709164800000, 1798675200123, 4102444799999])
async def test_times_are_those_of_the_calendar(ms: int, records: Records) -> None:
    (job,) = await at_site(records, 1)
    await refuse(records, await claim(records, job))
    await of(records.redis.hset(pause_key(), "until", str(ms)))
    await records.redis.zunionstore(pause_key() + keys.UNTOLD, [pause_key() + keys.HELD_BY])
    await of(records.redis.sadd(keys.PAUSE_NEWS, pause_key()))
    await tend(records)

    told = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert (await records.read(job)).state["retry_at"] == told


async def test_a_title_forges_neither_message_nor_time(records: Records) -> None:
    title = '","message":"x","attempt":1,"retry_at":null'
    job = new_job(url=f"https://{SITE}/")
    await records.store.jobs.create(job, CAP, title=title)
    running = await claim(records, job)
    update = at(INFO, title=title).as_waiting()
    refusal = Refusal(ErrorCode.RATE_LIMITED, job.url)
    failure = update.as_failed(ErrorCode.RATE_LIMITED).error
    assert failure
    await records.store.pauses.refuse(job.download_id, running.attempt, refusal, RULE, update, failure)

    state = (await records.read(job)).state
    assert state["title"] == title
    assert state["message"].startswith(f"{SITE} asks for fewer requests. This download goes on after ")


async def test_a_site_has_limits_of_its_own(records: Records) -> None:
    jobs, others = (
        await at_site(records, 3),
        [await records.created(url=f"https://elsewhere.example/{n}") for n in range(3)],
    )
    sites = describe_sites({SITE: SiteLimits(downloads=2)})

    assert await records.picked(site_limit=1, sites=sites) == [*ids(jobs[:2]), others[0].download_id]


async def test_starts_of_a_site_are_spread_over_the_minute(records: Records) -> None:
    jobs = await at_site(records, 4)
    sites = describe_sites({SITE: SiteLimits(starts=6)})
    for number, job in enumerate(jobs):
        assert await records.picked(sites=sites) == [job.download_id]
        found, seconds = await records.store.queue.pick(4, Limits(sites=sites))
        assert found == []
        assert seconds is not None
        assert 1 < seconds <= 10
        if number == 0:
            assert (await records.read(jobs[1])).state["message"] == SPACED
        await answer(records, await claim(records, job))
        assert await records.picked(sites=sites) == [], "also where its place is free"
        await records.redis.zadd(keys.STARTS, {f"{keys.SITE}{SITE}": await records.now_ms() - 1})


async def test_what_waits_for_its_start_goes_on_where_the_rules_are_gone(records: Records) -> None:
    first, second = await at_site(records, 2)
    sites = describe_sites({SITE: SiteLimits(starts=6)})
    assert await records.picked(sites=sites) == [first.download_id]
    await answer(records, await claim(records, first))
    assert await records.picked(sites=sites) == []
    found, seconds = await records.store.queue.pick(4)
    assert found == []
    assert seconds is not None
    assert 1 < seconds <= 10
    await records.redis.zadd(keys.STARTS, {f"{keys.SITE}{SITE}": await records.now_ms() - 1})

    assert await records.picked() == [second.download_id]
    assert await records.redis.exists(keys.STARTS) == 0


async def test_one_of_many_sites_is_found_and_none_that_looks_like_it(records: Records) -> None:
    many = {f"{number}.{SITE}": SiteLimits(downloads=1) for number in range(999)}
    jobs = await at_site(records, 3)

    assert await records.picked(sites=describe_sites(many | {SITE: SiteLimits(downloads=2)})) == ids(jobs[:2])


class Fleet:
    """Jobs of a few sites and callers, and workers to which the sites do what they like."""

    def __init__(self, records: Records, chance: random.Random) -> None:
        self.records, self.chance = records, chance
        self.jobs: dict[str, NewJob] = {}
        self.running: dict[str, Any] = {}
        self.limits: dict[str, Any] = {"slots": 6, "site_share": 0.5, "caller_share": 0.75}
        self.ended: Counter[str] = Counter()

    async def act(self) -> None:
        chance = self.chance
        if len(self.jobs) < 30 and chance.random() < 0.4:
            site = chance.choice("abc")
            job = await self.records.created(
                url=f"https://site-{site}.example/{uuid.uuid4()}", caller=chance.choice(["", "x", "y"]),
                priority=chance.choice(list(Priority)),
            )  # fmt: skip
            self.jobs[job.download_id] = job
        if chance.random() < 0.15:
            await pass_time(self.records)
        if self.running and chance.random() < 0.7:
            await self.end(chance.choice(list(self.running)))
        if self.jobs and chance.random() < 0.05:
            download_id = chance.choice(list(self.jobs))
            self.running.pop(download_id, None)
            assert await self.records.cancel(self.jobs.pop(download_id)) is Cancelled.CANCELLED
        if chance.random() < 0.5:
            await self.records.store.pauses.tend()
        await self.start()

    async def end(self, download_id: str) -> None:
        running, how = self.running.pop(download_id), self.chance.random()
        if how < 0.45:
            if await refuse(self.records, running) == "ended":
                del self.jobs[download_id]
        elif how < 0.55:
            await self.records.store.downloads.requeue(
                download_id, running.attempt, Requeue(Cause.HANDOVER, queued_update())
            )
        elif how < 0.65:
            how_retried = Requeue(Cause.RETRY, queued_update(), 0.001, limit=1000)
            await self.records.store.downloads.requeue(download_id, running.attempt, how_retried)
        else:
            await answer(self.records, running)
            del self.jobs[download_id]

    async def start(self) -> None:
        calls = 0
        while len(self.running) < 6:
            arq_ids, due = await self.records.store.queue.pick(6 - len(self.running), Limits(**self.limits))
            for arq_id in arq_ids:
                download_id, _, attempt = arq_id.decode().rpartition(":")
                found = await self.records.store.leases.claim(download_id, int(attempt), 60, "worker")
                assert found is not None
                await self.check_pause(download_id)
                self.running[download_id] = found
            calls += 1
            assert calls < 40, "a pick that is to be called again and again"
            if not arq_ids and due != 0:
                return

    async def check_pause(self, download_id: str) -> None:
        """Of a site that pauses only the trial starts, and only once the time is over."""
        pause = pause_key(self.jobs[download_id].site)
        until, trial, over = await of(self.records.redis.hmget(pause, ["until", "trial", "over"]))
        if until and not over:
            assert trial == download_id.encode()
            assert float(until) <= await self.records.now_ms()

    async def check_places(self) -> None:
        """Each download is on the queue or held, once."""
        queued = {each.decode().rpartition(":")[0] for each in await self.records.redis.zrange(keys.QUEUE, 0, -1)}
        marked = keys.HELD.rpartition(":")[0] in queued
        assert marked == bool(await self.records.redis.zcard(keys.HELD))
        queued.discard(keys.HELD.rpartition(":")[0])
        kept = [each.decode() for each in await self.records.redis.keys(keys.SITE + "*:held")]
        held_by = [each for key in kept for each in await held(self.records, key.removesuffix(":held"))]
        assert len(held_by) == len(set(held_by)) == await self.records.redis.zcard(keys.HELD)
        by_caller = [await self.records.redis.zcard(key.removesuffix(":held") + ":by-caller") for key in kept]
        assert sum(by_caller) == len(held_by)
        assert not queued & set(held_by)
        assert queued | set(held_by) == set(self.jobs)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_nothing_is_lost_and_one_trial_goes(seed: int, records: Records) -> None:
    fleet = Fleet(records, random.Random(seed))
    for step in range(250):
        await fleet.act()
        if step % 10 == 0:
            await fleet.check_places()
    rounds = 0
    while fleet.jobs:  # now every site answers
        rounds += 1
        assert rounds < 100
        for download_id, running in list(fleet.running.items()):
            del fleet.running[download_id], fleet.jobs[download_id]
            await answer(records, running)
        await pass_time(records)
        await end_delays(records)
        await records.store.pauses.tend()
        await fleet.start()
        await fleet.check_places()
    await tend(records)
    await records.picked()
    left = [key.decode() for key in await records.redis.keys("*")]
    assert [key for key in left if key.startswith((keys.SITE, keys.CALLER, keys.LINE, keys.HELD, keys.PAUSES))] == []
    assert keys.QUEUE not in left
