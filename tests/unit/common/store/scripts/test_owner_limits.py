"""The limits of an owner that Redis holds: jobs that wait, downloads that run, bytes of a day."""

import asyncio
from typing import Any

import pytest

from support.records import CAP, Records, new_job, of
from vidferry_common.contract import keys
from vidferry_common.contract.identity import credential_partition, partition_of
from vidferry_common.contract.messages import queued_update
from vidferry_common.store import Claim, Ending, JobLimits, Limits, NewJob, Outcome, QuotaExceeded

pytestmark = pytest.mark.anyio
URL = "https://example.com/shared"
TWO_WAIT = JobLimits(jobs_waiting=2)
DAY = 86400


def job_of(owner: str, **fields: Any) -> NewJob:
    return new_job(**{"owner": owner, "caller": f"owner:{owner}"} | fields)


async def created(records: Records, owner: str, **fields: Any) -> NewJob:
    job = job_of(owner, **fields)
    await records.store.jobs.create(job, CAP)
    return job


async def ended(records: Records, claim: Claim, uploaded: int = 0) -> None:
    ending = Ending(uploaded=uploaded)
    assert await records.store.downloads.finish(claim, queued_update().body(), ending) is not None


async def refused(records: Records, owner: str, **fields: Any) -> QuotaExceeded:
    with pytest.raises(QuotaExceeded) as info:
        await created(records, owner, **fields)
    return info.value


async def test_no_more_jobs_of_an_owner_wait_than_it_may(records: Records) -> None:
    first, second = [await created(records, "a", limits=TWO_WAIT) for _ in range(2)]
    quota = await refused(records, "a", limits=TWO_WAIT)
    assert (quota.limit, quota.most) == ("jobs_waiting", 2)
    assert quota.retry_after > 0
    await created(records, "b", limits=TWO_WAIT)

    _, claim = await records.claimed(first)
    third = await created(records, "a", limits=TWO_WAIT)
    await refused(records, "a", limits=TWO_WAIT)
    await records.cancel(second)
    await created(records, "a", limits=TWO_WAIT)
    await ended(records, claim)
    await refused(records, "a", limits=TWO_WAIT)
    await records.claimed(third)
    await created(records, "a", limits=TWO_WAIT)


async def test_a_refused_job_leaves_nothing(records: Records) -> None:
    for _ in range(2):
        await created(records, "a", limits=TWO_WAIT)
    before = await records.dump()

    await refused(records, "a", limits=TWO_WAIT)

    assert await records.dump() == before


async def test_of_many_requests_at_once_as_many_are_accepted_as_may_be(records: Records) -> None:
    jobs = [job_of("a", limits=JobLimits(jobs_waiting=7)) for _ in range(20)]

    made = await asyncio.gather(*(records.store.jobs.create(job, CAP) for job in jobs), return_exceptions=True)

    assert sum(isinstance(each, QuotaExceeded) for each in made) == 13


async def test_a_repeated_request_gets_its_job_whatever_the_limit(records: Records) -> None:
    job = await created(records, "a", limits=JobLimits(jobs_waiting=1), idempotency_key="k", url=URL)
    again = job_of("a", limits=JobLimits(jobs_waiting=1), idempotency_key="k", url=URL)

    found = await records.store.jobs.create(again, CAP)

    assert (found.job_id, found.outcome) == (job.job_id, Outcome.REPLAYED)


async def test_jobs_that_join_a_download_wait_too(records: Records) -> None:
    for _ in range(2):
        await created(records, "a", limits=TWO_WAIT, url=URL)

    await refused(records, "a", limits=TWO_WAIT, url=URL)


async def test_jobs_whose_records_expired_do_not_count(records: Records) -> None:
    for job in [await created(records, "a", limits=TWO_WAIT) for _ in range(2)]:
        await records.redis.delete(keys.JOB + job.job_id)

    await created(records, "a", limits=TWO_WAIT)


async def test_jobs_that_an_older_release_ended_do_not_count(records: Records) -> None:
    """It knows no open jobs, and leaves a record with the fields of one that has ended."""
    for job in [await created(records, "a", limits=TWO_WAIT) for _ in range(2)]:
        await of(records.redis.hdel(keys.JOB + job.job_id, "download", "epoch", "seq", "document", "owner"))

    await created(records, "a", limits=TWO_WAIT)


async def test_a_job_that_is_still_open_counts_however_old_it_is(records: Records) -> None:
    for _ in range(2):
        job = await created(records, "a", limits=TWO_WAIT)
        await records.redis.zadd(keys.OPEN_JOBS + "a", {job.job_id: await records.now_ms() - 2 * 3600 * 1000})

    await refused(records, "a", limits=TWO_WAIT)


async def test_no_more_downloads_of_an_owner_run_than_it_may(records: Records) -> None:
    """However many workers ask, and however many slots they have."""
    limits = JobLimits(jobs_running=2)
    jobs = [await created(records, "a", limits=limits, url=f"https://site-{n}.example/") for n in range(6)]
    other = await created(records, "b")
    found = [await records.picked(4, slots=64), await records.picked(4, slots=64)]
    assert sorted(found[0] + found[1]) == sorted([jobs[0].download_id, jobs[1].download_id, other.download_id])
    claims = [(await records.claimed(job))[1] for job in jobs[:2]]
    assert await records.picked(4, slots=64) == []

    for claim, freed in zip(claims, jobs[2:4], strict=True):
        await ended(records, claim)
        assert await records.picked(4, slots=64) == [freed.download_id]


async def test_the_stricter_of_share_and_limit_holds(records: Records) -> None:
    for number in range(6):
        await created(records, "a", limits=JobLimits(jobs_running=5), url=f"https://site-{number}.example/")

    arq_ids, _ = await records.store.queue.pick(8, Limits(slots=4, caller_share=0.75))

    assert len(arq_ids) == 3


async def test_the_bytes_of_a_day_can_be_used_up(records: Records) -> None:
    limits = JobLimits(bytes_per_day=1000)
    _, claim = await records.claimed(await created(records, "a", limits=limits))
    await ended(records, claim, uploaded=999)
    _, claim = await records.claimed(await created(records, "a", limits=limits))
    await ended(records, claim, uploaded=500)

    quota = await refused(records, "a", limits=limits)

    assert (quota.limit, quota.most) == ("bytes_per_day", 1000)
    midnight = DAY - (await records.now_ms() / 1000) % DAY
    assert abs(quota.retry_after - midnight) < 5
    await created(records, "b", limits=limits)
    await created(records, "a"), "another key of the owner, without a limit"
    (counter,) = await records.redis.keys(keys.OWNER_BYTES + "*")
    assert DAY < await records.redis.ttl(counter) <= DAY + 3600
    await records.redis.rename(counter, keys.OWNER_BYTES + "1:a")  # as if it were the next day
    await created(records, "a", limits=limits)


async def test_what_was_reused_uses_no_bytes(records: Records) -> None:
    _, claim = await records.claimed(await created(records, "a"))
    await ended(records, claim)

    assert await records.redis.keys(keys.OWNER_BYTES + "*") == []


async def test_bytes_count_once_though_the_reply_was_lost(records: Records) -> None:
    _, claim = await records.claimed(await created(records, "a"))
    body = queued_update().body()
    for _ in range(2):
        assert await records.store.downloads.finish(claim, body, Ending(uploaded=10)) is not None

    (counter,) = await records.redis.keys(keys.OWNER_BYTES + "*")
    assert await records.redis.get(counter) == b"10"


async def test_a_download_counts_for_the_owner_who_began_it(records: Records) -> None:
    first = await created(records, "a", url=URL)
    await created(records, "b", url=URL)
    _, claim = await records.claimed(first)
    await ended(records, claim, uploaded=10)

    assert [key.rpartition(b":")[2] for key in await records.redis.keys(keys.OWNER_BYTES + "*")] == [b"a"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"limits": JobLimits(max_bytes=10)}, {}),
        ({"limits": JobLimits(max_duration=10)}, {"limits": JobLimits(max_duration=20)}),
        ({"limits": JobLimits(max_duration=10)}, {"limits": JobLimits(max_bytes=10)}),
        ({"partition": partition_of("a")}, {}),
        ({"partition": partition_of("a")}, {"partition": partition_of("b")}),
        ({"partition": credential_partition("alice")}, {"partition": partition_of("alice")}),
        ({"partition": credential_partition("alice")}, {"partition": credential_partition("alice", "a")}),
    ],
)
async def test_different_bounds_make_different_downloads(
    one: dict[str, Any], other: dict[str, Any], records: Records
) -> None:
    first, second = await created(records, "a", url=URL, **one), await created(records, "b", url=URL, **other)
    same = await created(records, "c", url=URL, **one)

    assert (await records.read(second)).download_id == second.download_id
    assert (await records.read(same)).download_id == first.download_id


async def test_a_worker_is_told_the_bounds(records: Records) -> None:
    limits = JobLimits(max_duration=60, max_bytes=10**15)
    _, claim = await records.claimed(await created(records, "a", limits=limits, partition=partition_of("a")))

    assert (claim.max_duration, claim.max_bytes, claim.partition) == (60, 10**15, partition_of("a"))


async def test_open_access_leaves_no_trace_of_owners(records: Records) -> None:
    job, claim = await records.claimed(await created(records, "", caller="192.0.2.7", limits=TWO_WAIT))
    assert (claim.max_duration, claim.max_bytes, claim.partition) == (0, 0, "")
    fields = await of(records.redis.hgetall(keys.DOWNLOAD + job.download_id))
    assert not {b"owner", b"partition", b"jobs_running", b"max_duration", b"max_bytes"} & fields.keys()
    await ended(records, claim, uploaded=10)

    assert await records.redis.keys(keys.OPEN_JOBS + "*") == await records.redis.keys(keys.OWNER_BYTES + "*") == []


async def test_what_a_known_url_led_to_is_told_within_one_part_of_the_bucket(records: Records) -> None:
    job = await created(records, "a", url=URL, partition=partition_of("a"))
    _, claim = await records.claimed(job)
    ending = Ending("videos/x", "1", leads_to="videos/x", known_for=60)
    assert await records.store.downloads.finish(claim, queued_update().body(), ending) is not None

    for owner, known in (("a", "videos/x"), ("b", "")):
        _, claim = await records.claimed(await created(records, owner, url=URL, partition=partition_of(owner)))
        assert claim.known_object == known
    _, claim = await records.claimed(await created(records, "c", url=URL))
    assert claim.known_object == ""
