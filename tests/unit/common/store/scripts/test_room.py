"""Redis can't be filled: what has ended, what waits and who asks are bounded, and what runs goes on in a full one."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError

from support.batches import made
from support.records import CAP, SECONDS, Records, body, new_job, of
from support.redis_server import RedisServer, redis_server
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.messages import queued_update
from vidferry_common.contract.stages import INFO, STARTED
from vidferry_common.store import (
    CallerOverRate,
    Cancelled,
    Cause,
    EndedLimits,
    Ending,
    JobFilter,
    NewJob,
    QueueFull,
    RedisFull,
    RedisSettings,
    Requeue,
    Store,
    connect_redis,
)

pytestmark = pytest.mark.anyio
KIBIBYTE, MEBIBYTE = 1024, 1024**2
FAILED = queued_update().as_failed(ErrorCode.UNAVAILABLE).body()
BESIDE = 470
"""as room.lua has it"""
RECORDS = (keys.JOB, keys.DOWNLOAD, keys.DOWNLOAD_BY_URL, keys.DOWNLOAD_BY_OBJECT, keys.OBJECT_BY_URL, keys.IDEMPOTENCY)


async def ended(records: Records, job: NewJob | None = None, **ending: Any) -> NewJob:
    job, claim = await records.claimed(job)
    assert await records.store.downloads.finish(claim, FAILED, Ending(**ending)) is not None
    return job


async def known(records: Records, jobs: list[NewJob]) -> list[bool]:
    return [await records.store.jobs.read(job.job_id) is not None for job in jobs]


async def stored(records: Records, *prefixes: str) -> list[bytes]:
    return [key for prefix in prefixes for key in await records.redis.keys(prefix + "*")]


async def lasting(records: Records) -> list[bytes]:
    """The records that stay for more than some minutes."""
    return [key for key in await stored(records, *RECORDS) if await records.redis.ttl(key) > SECONDS / 2]


async def taken(records: Records) -> int:
    """Bytes of the jobs as Redis counts them, with what they take beside."""
    jobs = [key for key in await lasting(records) if key.startswith(keys.JOB.encode())]
    return sum([await of(records.redis.memory_usage(key, samples=0)) + BESIDE for key in jobs])


async def room(records: Records, name: str) -> int:
    return int(await of(records.redis.hget(keys.ROOM, name)) or 0)


def keeping(records: Records, kept: EndedLimits) -> Records:
    return Records(Store(records.redis, SECONDS, kept), records.redis)


async def test_of_ended_records_the_newest_are_kept(records: Records) -> None:
    records = keeping(records, EndedLimits(records=10))
    jobs = [await ended(records) for _ in range(12)]

    assert await known(records, jobs) == [False] * 2 + [True] * 10
    assert await of(records.redis.llen(keys.ENDED_JOBS)) == 10
    left = await stored(records, keys.JOB)
    assert not [key for key in left for job in jobs[:2] if job.job_id.encode() in key]


async def test_their_bytes_are_bounded_whatever_their_sizes(records: Records) -> None:
    records = keeping(records, EndedLimits(bytes=256 * KIBIBYTE))
    for _ in range(60):
        await ended(records)
    for number in range(20):
        url = f"https://example.com/{'a' * 8 * KIBIBYTE}{number}"
        await ended(records, await records.created(url=url))
        assert await room(records, "ended_bytes") <= 256 * KIBIBYTE

    assert await taken(records) == await room(records, "ended_bytes")
    assert await room(records, "ended_bytes") > 200 * KIBIBYTE, "and no more goes than has to"


async def test_a_crowd_of_jobs_that_ends_at_once_is_bounded_too(records: Records) -> None:
    records = keeping(records, EndedLimits(records=20))
    first = await records.created(url="https://example.com/crowd")
    for _ in range(199):
        await records.created(url=first.url)

    await ended(records, first)

    assert await of(records.redis.llen(keys.ENDED_JOBS)) == 20
    assert len(await stored(records, keys.JOB)) <= 40, "a job and its history"


async def test_nothing_that_a_caller_makes_outlives_its_record(records: Records) -> None:
    """Keys, addresses, what they led to, objects that are made: after many rounds there are as many as after a few."""
    records = keeping(records, EndedLimits(records=6))
    counts = []
    for number in range(30):
        await one_of_each(records, number)
        counts.append(len(await lasting(records)))

    assert max(counts[20:]) <= max(counts[5:10])
    assert await room(records, "open") == 0


async def one_of_each(records: Records, number: int) -> None:
    """A download that completes with a key and leads somewhere, one that is cancelled, one that merges into another."""
    await ended(records, await records.created(idempotency_key=f"k{number}"), leads_to=f"o{number}", known_for=SECONDS)
    assert await records.cancel(await records.created()) is Cancelled.CANCELLED
    made, claim = await records.claimed()
    assert await records.store.downloads.claim_object(claim, f"before{number}")
    assert await records.store.downloads.claim_object(claim, f"object{number}")
    _, merged = await records.claimed()
    assert await records.store.downloads.claim_object(merged, f"object{number}") is False
    assert await records.store.downloads.finish(claim, FAILED, Ending()) is not None
    assert await records.read(made)


async def test_what_a_later_job_uses_stays(records: Records) -> None:
    """An address that was found again, a key that was used again, a download that runs again."""
    records = keeping(records, EndedLimits(records=1))
    url, leads = "https://example.com/again", {"leads_to": "object", "known_for": 90}
    first = await ended(records, await records.created(url=url, idempotency_key="k"), **leads)
    await of(records.redis.delete(*await stored(records, keys.IDEMPOTENCY)))  # its time is over
    (seen,) = await stored(records, keys.OBJECT_BY_URL)
    second = await records.created(url=url, idempotency_key="k")
    _, claim = await records.claimed(second)
    assert await records.store.downloads.finish(claim, FAILED, Ending(leads_to="object", known_for=100)) is not None
    third = await records.created(url=url, force=False)

    assert await known(records, [first, second, third]) == [False, True, True]
    assert await stored(records, keys.OBJECT_BY_URL) == [seen]
    assert (await records.store.jobs.create(new_job(url, idempotency_key="k"), CAP)).job_id == second.job_id
    assert len(await stored(records, keys.DOWNLOAD_BY_URL)) == 1


async def flood_of_batches(records: Records) -> list[NewJob]:
    return [await made(records, ["nonsense"] * 40, owner="b") for _ in range(2)]


async def flood_of_downloads(records: Records) -> list[NewJob]:
    return [await ended(records, await records.created(owner="b")) for _ in range(60)]


async def flood_of_probes(records: Records) -> list[NewJob]:
    probes = [new_job(owner="b", kind=JobKind.PROBE) for _ in range(60)]
    for probe in probes:
        await records.store.probes.create(probe, CAP, 2**30)
        assert await records.store.probes.cancel(await records.read(probe)) is Cancelled.CANCELLED
    return probes


@pytest.mark.parametrize("flood", [flood_of_batches, flood_of_downloads, flood_of_probes])
@pytest.mark.parametrize("bound", [EndedLimits(bytes=96 * KIBIBYTE), EndedLimits(records=30)])
async def test_an_owner_that_fills_the_room_loses_its_own(
    records: Records, bound: EndedLimits, flood: Callable[[Records], Awaitable[list[NewJob]]]
) -> None:
    records = keeping(records, bound)
    batch = await made(records, ["nonsense"] * 4, owner="a")
    others = [batch, *[await ended(records, await records.created(owner="a")) for _ in range(4)]]

    jobs = await flood(records)

    assert await known(records, others) == [True] * 5
    assert len((await records.store.job_lists.read_page(JobFilter("a", batch=batch.job_id), 9)).jobs) == 4
    assert (await known(records, [jobs[0], jobs[-1]])) == [False, True]
    assert await room(records, "ended_jobs") <= bound.records
    assert await room(records, "ended_bytes") <= bound.bytes


async def test_owners_with_much_share_the_room(records: Records) -> None:
    records = keeping(records, EndedLimits(records=20))
    a = [await ended(records, await records.created(owner="a")) for _ in range(20)]
    b = [await ended(records, await records.created(owner="b")) for _ in range(20)]

    kept = [sum(await known(records, jobs)) for jobs in (a, b)]
    assert sum(kept) == 20
    assert min(kept) >= 9
    assert await known(records, [a[0], a[-1], b[0], b[-1]]) == [False, True, False, True]


async def test_expired_records_make_room_first(records: Records) -> None:
    """Also those of owners who have no job end any more."""
    records = keeping(records, EndedLimits(records=10))
    expired = [await ended(records, await records.created(owner=owner)) for owner in ("a", "a", "a", "b", "c")]
    for job in expired:
        await of(records.redis.delete(keys.JOB + job.job_id))
    before = await room(records, "ended_bytes")
    jobs = [await ended(records, await records.created(owner="d")) for _ in range(10)]

    assert await known(records, jobs) == [True] * 10
    assert await of(records.redis.zrange(keys.ENDED_LISTS, 0, -1)) == [(keys.ENDED_JOBS + "d").encode()]
    assert await stored(records, keys.ENDED_JOBS) == [(keys.ENDED_JOBS + "d").encode()]
    assert await room(records, "ended_jobs") == 10
    assert await room(records, "ended_bytes") == pytest.approx(2 * before, rel=0.1)


async def ended_by_the_last_release(records: Records, count: int) -> tuple[list[NewJob], int]:
    """So many jobs in the list that 0.2.0 has for all owners, and their bytes."""
    jobs = [await ended(records) for _ in range(count)]
    size = await room(records, "ended_bytes")
    await of(records.redis.rename(keys.ENDED_JOBS, keys.ENDED))
    await records.redis.delete(keys.ENDED_LISTS, keys.ROOM)
    await of(records.redis.hset(keys.ROOM, "ended", str(size)))
    return jobs, size


async def test_jobs_that_the_last_release_has_ended_go_like_an_owners(records: Records) -> None:
    """0.2.0 has one list for all, and runs beside this one during an update."""
    jobs, size = await ended_by_the_last_release(records, 10)
    records = keeping(records, EndedLimits(bytes=size + KIBIBYTE))

    newer = [await ended(records) for _ in range(10)]
    kept = [sum(await known(records, each)) for each in (jobs, newer)]
    assert sum(kept) == 10
    assert min(kept) >= 4
    for job in jobs:
        await of(records.redis.delete(keys.JOB + job.job_id))
    newer += [await ended(records) for _ in range(6)]
    assert await known(records, newer[6:]) == [True] * 10
    assert (await records.redis.exists(keys.ENDED), await room(records, "ended")) == (0, 0)


async def test_the_number_of_ended_records_counts_those_of_the_last_release(records: Records) -> None:
    jobs, _ = await ended_by_the_last_release(records, 10)
    newer = [await ended(keeping(records, EndedLimits(records=10))) for _ in range(3)]
    assert await known(records, jobs + newer) == [False] * 3 + [True] * 10


@pytest.mark.parametrize("lost", [keys.ENDED, keys.ENDED_JOBS])
async def test_what_redis_has_lost_is_counted_no_more(records: Records, lost: str) -> None:
    records = keeping(records, EndedLimits(records=10))
    if lost == keys.ENDED:
        await of(records.redis.hset(keys.ROOM, "ended", str(MEBIBYTE)))
    else:
        for _ in range(10):
            await ended(records)
        await records.redis.delete(keys.ENDED_JOBS, keys.ENDED_LISTS)
    jobs = [await ended(records) for _ in range(24)]
    assert await known(records, jobs) == [False] * 14 + [True] * 10
    assert await room(records, "ended_jobs") == await of(records.redis.llen(keys.ENDED_JOBS)) == 10
    assert await room(records, "ended") == 0


async def test_the_queues_bytes_are_bounded(records: Records) -> None:
    bound = 150 * KIBIBYTE
    large = [new_job(f"https://example.com/{'a' * 8 * KIBIBYTE}{number}") for number in range(3)]
    for job in large[:2]:
        await records.store.jobs.create(job, CAP, bound)
    before = await records.dump()
    for refused in (large[2], new_job(large[0].url)):  # one that only joins takes room as well
        with pytest.raises(QueueFull):
            await records.store.jobs.create(refused, CAP, bound)
    assert await records.dump() == before

    await ended(records, large[0])
    await records.store.jobs.create(large[2], CAP, bound)


async def test_bytes_are_given_back_however_a_job_ends(records: Records) -> None:
    jobs = [await records.created() for _ in range(4)]
    joined = await records.created(url=jobs[0].url)
    waiting = await stored(records, keys.JOB, keys.DOWNLOAD)
    assert await room(records, "open") > sum([await of(records.redis.memory_usage(key)) for key in waiting])
    before = await room(records, "open")
    await records.cancel(joined)
    assert await room(records, "open") < before
    await records.cancel(jobs[1])
    _, claim = await records.claimed(jobs[0])
    await records.store.downloads.claim_object(claim, "object")
    _, other = await records.claimed(jobs[2])
    await records.store.downloads.claim_object(other, "object")
    await records.claimed(jobs[3])
    await records.retried(jobs[3])
    await records.claimed(jobs[3], attempt=2)
    last = Requeue(Cause.RETRY, queued_update(), limit=1, failure=ErrorCode.NETWORK)
    assert await records.store.downloads.requeue(jobs[3].download_id, 2, last) == "ended"
    assert await room(records, "open") > 0, "that of the two that are one now"

    assert await records.store.downloads.finish(claim, FAILED, Ending()) is not None
    assert await room(records, "open") == 0
    assert await room(records, "ended_bytes") == await taken(records)


async def test_what_expired_while_it_waited_takes_no_room(records: Records) -> None:
    bound = 12 * KIBIBYTE
    await records.store.jobs.create(new_job(), CAP, bound)
    await of(records.redis.delete(*await stored(records, keys.JOB, keys.DOWNLOAD, keys.DOWNLOAD_BY_URL), keys.QUEUE))

    for _ in range(3):
        job = new_job()
        await records.store.jobs.create(job, CAP, bound)
        await ended(records, job)


async def test_a_callers_minute(records: Records) -> None:
    digest = new_job(caller="a").caller_digest

    async def post(caller: str, store: Store = records.store) -> int:
        created = await store.jobs.create(new_job(caller=caller), CAP, caller_rate=3)
        assert created.quota is not None
        return created.quota.remaining

    other_api = Store(records.redis, SECONDS)
    assert [await post("a"), await post("a", other_api), await post("a")] == [2, 1, 0]
    size = await records.redis.dbsize()
    with pytest.raises(CallerOverRate) as refused:
        await post("a", other_api)
    assert 15 <= refused.value.quota.retry_after <= 20
    assert await records.redis.dbsize() == size
    assert await post("b") == 2, "another caller's is its own"

    await records.redis.incrbyfloat(keys.REQUESTS + digest, -20_000)  # as if so much time had passed
    assert await post("a") == 0
    with pytest.raises(CallerOverRate):
        await post("a")
    await records.redis.incrbyfloat(keys.REQUESTS + digest, -120_000)
    assert await post("a") == 2, "no more than a minute's"


async def test_a_lost_reply_is_no_request_of_its_own(records: Records) -> None:
    job = new_job(caller="a")
    for _ in range(5):
        await records.store.jobs.create(job, CAP, caller_rate=2)
    assert (await records.store.jobs.create(new_job(caller="a"), CAP, caller_rate=2)).job_id


async def test_a_caller_is_forgotten_once_its_minute_is_whole(records: Records) -> None:
    key = keys.REQUESTS + new_job(caller="a").caller_digest
    for _ in range(2):
        await records.store.jobs.create(new_job(caller="a"), CAP, caller_rate=2)

    assert 50_000 < await records.redis.pttl(key) <= 60_000
    await records.store.jobs.create(new_job(), CAP, caller_rate=0)
    assert await stored(records, keys.REQUESTS) == [key.encode()]


@pytest.fixture
def small_server() -> Iterator[RedisServer]:
    with redis_server("--maxmemory", str(8 * MEBIBYTE), "--maxmemory-policy", "noeviction") as server:
        yield server


@pytest.fixture
async def small(small_server: RedisServer) -> AsyncIterator[Records]:
    """A Redis that is soon full."""
    redis = connect_redis(RedisSettings.model_validate({"redis_url": small_server.url}), max_connections=64)
    yield Records(Store(redis, SECONDS), redis)
    await redis.aclose(close_connection_pool=True)


async def share(records: Records) -> float:
    return (await records.store.read_memory()).share


async def refusals(records: Records) -> int:
    """Commands that Redis has refused for want of memory."""
    found = await of(records.redis.info("errorstats"))
    return int(found.get("errorstat_OOM", {}).get("count", 0))


async def test_a_flood_is_refused_before_redis_refuses(small: Records) -> None:
    """From many connections at once, while a download goes on; all of it waits, so nothing can be forgotten."""
    job, claim = await small.claimed()
    refused = asyncio.Event()

    async def flood() -> None:
        while not refused.is_set():
            try:
                await small.store.jobs.create(new_job(f"https://example.com/{'a' * 4000}{uuid.uuid4()}"), 10**6)
            except RedisFull:
                refused.set()

    flooding = asyncio.gather(*(flood() for _ in range(50)))
    told = 0
    while not flooding.done():
        assert await small.store.downloads.publish(claim, body(STARTED, eta=told), step=False) == [job.job_id]
        told += 1
    await flooding

    assert 0.8 < await share(small) < 1
    await small.step(claim)
    assert await small.store.leases.renew({job.download_id: 1}, 60) == set()
    assert await small.store.downloads.finish(claim, FAILED, Ending()) == [job.job_id]
    assert await refusals(small) == 0
    assert told


async def test_what_has_ended_makes_room(small: Records) -> None:
    """Whatever the settings allow to be kept: a flood of jobs that fail at once keeps nobody out."""
    jobs = []
    for number in range(1200):
        jobs.append(await small.created(url=f"https://example.com/{'a' * 4000}{number}"))
        await ended(small, jobs[-1])

    assert await share(small) < 0.9
    assert await small.store.jobs.read(jobs[0].job_id) is None
    assert await small.read(jobs[-1])
    assert await refusals(small) == 0


async def test_in_a_full_redis_what_runs_goes_on(small: Records) -> None:
    """Others may have filled it."""
    waiting = await small.created()
    running = [await small.claimed(lease=60) for _ in range(6)]
    await full(small)
    with pytest.raises(RedisFull):
        await small.created()

    _, claim = await small.claimed(waiting)
    assert await small.store.downloads.publish(claim, body(STARTED), step=False) is not None
    assert await small.store.downloads.publish(claim, body(INFO), step=True) is not None
    await small.store.downloads.record_thumbnail(claim.download_id, "x")
    assert await small.expired() == []
    assert await small.store.objects.check_sweep_due("leader", 60, ended=True) is not None
    assert await small.store.leases.renew({claim.download_id: 1}, 90) == set()
    assert await small.store.downloads.claim_object(claim, "object") is True
    assert await small.store.downloads.claim_object(running[0][1], "object") is False
    assert await small.store.downloads.finish(claim, FAILED, Ending("x", leads_to="x", known_for=60)) is not None
    assert await small.cancel(running[1][0]) is Cancelled.CANCELLED
    await small.retried(running[2][0], delay=0.001)
    await small.picked()
    await small.claimed(running[2][0], attempt=2)
    last = Requeue(Cause.RETRY, queued_update(), limit=0, failure=ErrorCode.NETWORK)
    assert await small.store.downloads.requeue(running[3][0].download_id, 1, last) == "ended"


async def full(records: Records) -> None:
    """To the last byte, for some moments: what clients hold of it comes and goes."""
    refused = 0
    for number in itertools.count():
        try:
            await records.redis.set(f"other:{number}", "x" * (100_000 if not refused else 100))
        except OutOfMemoryError:
            refused += 1
            if refused == 100:
                return


async def test_without_a_bound_nothing_is_refused_for_want_of_memory(records: Records) -> None:
    assert (await records.store.read_memory()).maximum == 0
    await records.created()
    assert float(await of(records.redis.hget(keys.ROOM, "share"))) == 0
