"""Lists of jobs: their order, their pages, what may happen between two of them, and what leaves the indexes."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from support.records import CAP, SECONDS, Records, body, new_job, of
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import format_timestamp, queued_update
from vidferry_common.contract.stages import INFO, Status
from vidferry_common.store import EndedLimits, Ending, InvalidPlace, JobFilter, NewJob, Place, Store
from vidferry_common.store.job_lists import STRETCH
from vidferry_common.store.jobs import external_id_key

pytestmark = pytest.mark.anyio
FAILED = queued_update().as_failed(ErrorCode.UNAVAILABLE).body()
START = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = frozenset({Status.QUEUED, Status.PROCESSING})
A, B = JobFilter("a"), JobFilter("b")


def created_at(second: float) -> str:
    return format_timestamp(START + timedelta(seconds=second))


async def many(records: Records, count: int, first: int = 0, **fields: Any) -> list[str]:
    """The ids of jobs that were made a second after one another, the newest first."""
    made = [await records.created(created=created_at(first + number), **fields) for number in range(count)]
    return [job.job_id for job in reversed(made)]


async def walk(records: Records, which: JobFilter, size: int, after: Place | None = None) -> list[str]:
    """The ids on all pages from a place on. A token leads from each page to the next."""
    ids: list[str] = []
    while True:
        page = await records.store.job_lists.read_page(which, size, after)
        assert len(page.jobs) <= size
        ids += [job.job_id for job in page.jobs]
        if page.next_place is None:
            return ids
        after = Place.parse(page.next_place.token(which), which)


async def end(records: Records, job: NewJob) -> None:
    _, claim = await records.claimed(job)
    assert await records.store.downloads.finish(claim, FAILED, Ending()) is not None


async def indexed(records: Records) -> dict[str, int]:
    """The indexes, and how many ids each of them has."""
    found = {}
    for prefix in (keys.JOBS_BY_OWNER, keys.OPEN_JOBS, keys.JOBS_BY_EXTERNAL_ID):
        for key in await records.redis.keys(prefix + "*"):
            found[key.decode()] = int(await of(records.redis.zcard(key)))
    return found


async def test_an_owners_jobs_the_newest_first(records: Records) -> None:
    mine, other = await many(records, 7, owner="a"), await many(records, 3, owner="b")

    assert await walk(records, A, 3) == await walk(records, A, 200) == mine
    assert await walk(records, B, 1) == other
    assert await walk(records, JobFilter(""), 10) == await walk(records, JobFilter("c"), 10) == []


async def test_a_page_that_takes_all_is_the_last(records: Records) -> None:
    await many(records, 4, owner="a")

    assert (await records.store.job_lists.read_page(A, 4)).next_place is None
    assert (await records.store.job_lists.read_page(A, 3)).next_place is not None


async def test_jobs_of_one_millisecond_keep_an_order(records: Records) -> None:
    same = [(await records.created(created=created_at(0), owner="a")).job_id for _ in range(9)]

    ids = await walk(records, A, 2)
    assert ids == sorted(same, reverse=True)
    for deleted in ids[:5]:  # a place whose job has gone is still one
        await of(records.redis.zrem(keys.JOBS_BY_OWNER + "a", deleted))
        place = Place(int(START.timestamp() * 1000), deleted)
        assert await walk(records, A, 2, place) == ids[ids.index(deleted) + 1 :]


async def test_it_is_stable_while_jobs_come_and_go(records: Records) -> None:
    before = await many(records, 40, owner="a")
    seen: list[str] = []
    after: Place | None = None
    for number in range(100):
        page = await records.store.job_lists.read_page(A, 3, after)
        seen += [job.job_id for job in page.jobs]
        after = page.next_place
        if after is None:
            break
        await many(records, 2, first=1000 + number, owner="a")
        last = page.jobs[-1].job_id  # the very job of the place is deleted
        await of(records.redis.delete(keys.JOB + last))
        await of(records.redis.zrem(keys.JOBS_BY_OWNER + "a", last))

    assert seen == before


async def test_each_filter(records: Records) -> None:
    fields: dict[str, Any] = {"owner": "a", "url": "https://www.one.example/x"}
    ended = await records.created(**fields, created=created_at(0), external_id="x")
    await end(records, ended)
    waiting = await records.created(owner="a", created=created_at(1), external_id="x", url="https://two.example/")
    _, claim = await records.claimed(
        await records.created(owner="a", created=created_at(2), url="https://two.example/y")
    )
    await records.step(claim)
    running = (await records.store.job_lists.read_page(A, 1)).jobs[0].job_id
    other = await records.created(owner="b", created=created_at(1), external_id="x")

    async def found(**asked: Any) -> list[str]:
        return await walk(records, JobFilter("a", **asked), 2)

    first, second, third = ended.job_id, waiting.job_id, running
    assert await found(statuses=frozenset({Status.FAILED})) == [first]
    assert await found(statuses=frozenset({Status.PROCESSING})) == [third]
    assert await found(statuses=OPEN) == [third, second]
    assert await found(statuses=frozenset({Status.QUEUED, Status.FAILED})) == [second, first]
    assert await found(statuses=frozenset({Status.COMPLETED})) == []
    assert await found(site="one.example") == [first]
    assert await found(external_id="x") == [second, first]
    assert await found(external_id="x", statuses=OPEN) == [second]
    assert await found(external_id="y") == []
    assert await found(created_after=START + timedelta(seconds=1)) == [third, second]
    assert await found(created_before=START + timedelta(seconds=1)) == [first]
    assert await found(created_after=START + timedelta(seconds=1), created_before=START + timedelta(seconds=2)) == [
        second
    ]
    assert await walk(records, JobFilter("b", external_id="x"), 2) == [other.job_id]


async def test_a_rare_job_is_found_in_short_pages(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_common.store.job_lists.STRETCH", 5)
    monkeypatch.setattr("vidferry_common.store.job_lists.MAX_STRETCHES", 2)
    rare = await records.created(owner="a", created=created_at(0), url="https://rare.example/")
    await many(records, 25, first=1, owner="a")

    page = await records.store.job_lists.read_page(JobFilter("a", site="rare.example"), 50)
    assert page.jobs == []
    assert page.next_place is not None, "ten were looked at"
    assert await walk(records, JobFilter("a", site="rare.example"), 50) == [rare.job_id]


async def test_a_place_is_of_one_filter(records: Records) -> None:
    await many(records, 2, owner="a")
    place = (await records.store.job_lists.read_page(A, 1)).next_place
    assert place is not None
    token = place.token(A)

    assert Place.parse(token, A) == place
    others = [B, JobFilter("a", site="x"), JobFilter("a", statuses=OPEN), JobFilter("a", external_id=""),
              JobFilter("a", created_after=START), JobFilter("a", created_before=START)]  # fmt: skip
    for other in others:
        with pytest.raises(InvalidPlace):
            Place.parse(token, other)
    assert len({each.digest for each in (A, *others)}) == len(others) + 1


@pytest.mark.parametrize("change", [
    lambda parts: parts[:2], lambda parts: [*parts, 1], lambda parts: [parts[0], "x", parts[2]],
    lambda parts: [parts[0], 1e400, parts[2]], lambda parts: [parts[0], parts[1], ""], dict.fromkeys,
    lambda parts: [parts[0], None, parts[2]], lambda parts: [parts[0], parts[1], 5], lambda parts: [[], *parts[1:]],
    lambda parts: [parts[0], 10**300, parts[2]], lambda parts: [parts[0], 10**25, parts[2]], lambda parts: parts[0],
])  # fmt: skip
def test_what_is_no_place(change: Any) -> None:
    token = Place(5, str(uuid4())).token(A)
    parts = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    forged = urlsafe_b64encode(json.dumps(change(parts)).encode()).decode().rstrip("=")

    for wrong in (forged, token + "=", token[:-1], "!" + token, "ü", "x" * 5000, "A"):
        with pytest.raises(InvalidPlace):
            Place.parse(wrong, A)


async def test_what_ends_leaves_the_open_jobs(records: Records) -> None:
    jobs = [await records.created(owner="a") for _ in range(3)]
    await end(records, jobs[0])
    await records.cancel(jobs[1])

    assert await indexed(records) == {keys.JOBS_BY_OWNER + "a": 3, keys.OPEN_JOBS + "a": 1}
    assert await walk(records, JobFilter("a", statuses=OPEN), 9) == [jobs[2].job_id]


async def test_what_is_deleted_leaves_every_index(records: Records) -> None:
    small = Records(Store(records.redis, SECONDS, EndedLimits(records=3)), records.redis)
    for number in range(9):
        await end(small, await small.created(owner="a", external_id=f"x{number % 2}"))

    assert sum((await indexed(records)).values()) == 3 + 3
    assert len(await walk(records, A, 9)) == 3


async def test_a_refused_job_is_in_no_index(records: Records) -> None:
    await records.store.jobs.create(new_job(owner="a", idempotency_key="k", url="https://x.example/"), CAP)
    again = new_job(owner="a", idempotency_key="k", url="https://x.example/")
    assert (await records.store.jobs.create(again, CAP)).replayed

    assert await indexed(records) == {keys.JOBS_BY_OWNER + "a": 1, keys.OPEN_JOBS + "a": 1}


async def test_a_list_drops_what_has_expired_or_ended_unnoticed(records: Records) -> None:
    """Records expire by themselves, and the scripts of the release before know no index."""
    jobs = [await records.created(owner="a", created=created_at(number)) for number in range(6)]
    await of(records.redis.delete(keys.JOB + jobs[2].job_id))
    await end(records, jobs[4])
    await records.redis.zadd(keys.OPEN_JOBS + "a", {jobs[4].job_id: jobs[4].created_ms})

    assert await walk(records, JobFilter("a", statuses=OPEN), 2) == [jobs[n].job_id for n in (5, 3, 1, 0)]
    assert await walk(records, A, 2) == [jobs[n].job_id for n in (5, 4, 3, 1, 0)]
    assert await indexed(records) == {keys.JOBS_BY_OWNER + "a": 5, keys.OPEN_JOBS + "a": 4}


async def test_an_index_that_nobody_reads_stays_bounded(records: Records) -> None:
    """Of jobs that expire as fast as they come."""
    for number in range(200):
        job = await records.created(owner="a", external_id="x", created=created_at(number))
        if number >= 5:
            await of(records.redis.delete(keys.JOB + job.job_id))

    assert all(count <= 40 for count in (await indexed(records)).values()), await indexed(records)


async def test_indexes_expire_with_the_last_record(records: Records) -> None:
    job = await records.created(owner="a", external_id="x")
    for key in (keys.JOBS_BY_OWNER + "a", keys.OPEN_JOBS + "a", external_id_key("a", "x")):
        assert 2 * SECONDS - 60 < await records.redis.ttl(key) <= 2 * SECONDS
    await end(records, job)
    assert await records.redis.exists(keys.OPEN_JOBS + "a") == 0


async def test_one_script_looks_at_a_bounded_number(records: Records) -> None:
    await many(records, 6, owner="a")
    assert STRETCH <= 250, "about two milliseconds of Redis"
    _, claim = await records.claimed()
    assert await records.store.downloads.publish(claim, body(INFO), step=True)
    await of(records.redis.config_resetstat())

    assert len((await records.store.job_lists.read_page(A, 2)).jobs) == 2

    told = await of(records.redis.info("commandstats"))
    assert told["cmdstat_hmget"]["calls"] == 2, "of each job that is returned"
