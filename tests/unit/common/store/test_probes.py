"""Probes in Redis: who is told what, what is kept for the next one, and who may end one."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from support.records import CAP, SECONDS, Records, new_job, of
from unit.worker.children.test_protocol import PROBE
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.probes import KEPT_SECONDS
from vidferry_common.contract.stages import Status
from vidferry_common.store import (
    Cancelled,
    Created,
    EndedLimits,
    IdempotencyMismatch,
    JobFilter,
    JobLimits,
    NewJob,
    QuotaExceeded,
    Store,
    Task,
)
from vidferry_common.store.probes import MAX_OPEN, QUEUE

pytestmark = pytest.mark.anyio
A, B = JobFilter("a"), JobFilter("b")
URL = "https://example.com/walk"


def new_probe(**fields: Any) -> NewJob:
    return replace(new_job(), **{"url": URL, "kind": JobKind.PROBE, **fields})


async def create(store: Store, job: NewJob) -> Created:
    return await store.probes.create(job, CAP, 10**9)


async def take(store: Store) -> Task:
    (task,), _ = await store.tasks(QUEUE).take(1, 30)
    return task


async def state(records: Records, job: NewJob) -> dict[str, Any]:
    record = await records.store.jobs.read(job.job_id)
    assert record
    return record.state


async def looked_at(records: Records, job: NewJob) -> None:
    """The probe has ended, with what a worker found."""
    await create(records.store, job)
    task = await take(records.store)
    assert await records.store.probes.begin(task)
    assert await records.store.probes.complete(task, PROBE)


async def test_a_probe_goes_its_way(records: Records) -> None:
    job = new_probe(owner="a")
    created = await create(records.store, job)
    assert created.job
    assert (created.job.kind, created.job.status) == (JobKind.PROBE, Status.QUEUED)
    assert (await state(records, job))["probe"] is None
    task = await take(records.store)
    assert await records.store.probes.begin(task)
    told = await state(records, job)
    assert (told["status"], told["probe"], told["attempt"]) == ("processing", None, 1)
    assert await records.store.probes.complete(task, PROBE)
    told = await state(records, job)
    assert (told["status"], told["progress"], told["title"]) == ("completed", 100, PROBE.title)
    assert told["probe"] == orjson.loads(orjson.dumps(PROBE))
    assert told["expires_at"]
    read = await records.store.jobs.read(job.job_id, with_history=True)
    assert read
    assert [step["stage"] for step in read.history] == ["started", "done"]


async def test_it_is_kept_for_ten_minutes_and_its_document_too(records: Records) -> None:
    job = new_probe(owner="a", idempotency_key="k")
    await looked_at(records, job)
    kept = {key.decode(): await of(records.redis.ttl(key)) for key in await records.redis.keys()}
    for name in (
        keys.JOB + job.job_id,
        job.idempotency_name,
        next(key for key in kept if key.startswith(keys.PROBE_BY_URL)),
    ):
        assert KEPT_SECONDS - 5 <= kept[name] <= KEPT_SECONDS, name
    assert kept[keys.JOBS_BY_OWNER + "a"] > SECONDS, "the other jobs of the owner stay in the list"
    assert not await of(records.redis.hget(keys.ROOM, "open")) or not int(
        await of(records.redis.hget(keys.ROOM, "open"))
    )
    assert not [key for key in kept if key.startswith((keys.TASKS + QUEUE + ":" + job.job_id, keys.OPEN_PROBES))]


async def test_the_next_probe_of_the_url_is_answered_with_it(records: Records) -> None:
    """Also that of another owner: nothing in it is of the first one."""
    first = new_probe(owner="a", external_id="of-a", metadata={"secret": "of-a"})
    await looked_at(records, first)
    second = new_probe(owner="b")
    created = await create(records.store, second)
    assert created.job
    assert created.job.status is Status.COMPLETED
    assert created.job.state["probe"] == orjson.loads(orjson.dumps(PROBE))
    raw = b"".join((await of(records.redis.hgetall(keys.JOB + second.job_id))).values())
    assert first.job_id.encode() not in raw
    assert b"of-a" not in raw
    assert not (await records.store.tasks(QUEUE).take(1, 30))[0]
    page = await records.store.job_lists.read_page(B, 10)
    assert [job.job_id for job in page.jobs] == [second.job_id]
    assert created.job.state["timestamp"] >= created.job.created, "when the first one was, is not told"


@pytest.mark.parametrize(
    "other", [{"partition": "p"}, {"url": URL + "2"}, {"format": new_job().format.parse("720-mp4")}]
)
async def test_another_url_format_or_part_of_the_bucket_is_looked_at_anew(records: Records, other: Any) -> None:
    await looked_at(records, new_probe())
    created = await create(records.store, new_probe(**other))
    assert created.status is Status.QUEUED


async def test_a_probe_that_waits_takes_what_is_found_meanwhile(records: Records) -> None:
    waiting, first = new_probe(), new_probe()
    await create(records.store, first)
    await create(records.store, waiting)
    tasks, _ = await records.store.tasks(QUEUE).take(2, 30)
    await records.store.probes.complete(tasks[0], PROBE)
    assert not await records.store.probes.begin(tasks[1])
    assert {(await state(records, job))["status"] for job in (waiting, first)} == {"completed"}


async def test_a_failure_is_told_and_not_kept(records: Records) -> None:
    job = new_probe()
    await create(records.store, job)
    task = await take(records.store)
    assert await records.store.probes.fail(task, ErrorCode.PRIVATE)
    told = await state(records, job)
    assert (told["status"], told["error"]["code"], told["probe"]) == ("failed", "private", None)
    assert (await create(records.store, new_probe())).status is Status.QUEUED


async def test_who_has_lost_the_task_ends_nothing(records: Records) -> None:
    job = new_probe()
    await create(records.store, job)
    (late,), _ = await records.store.tasks(QUEUE).take(1, 0)
    task = await take(records.store)
    assert not await records.store.probes.begin(late)
    assert not await records.store.probes.complete(late, PROBE)
    assert not await records.store.probes.fail(late, ErrorCode.INTERNAL)
    assert (await state(records, job))["status"] == "queued"
    assert await records.store.probes.complete(task, PROBE)


async def test_a_cancelled_probe_has_no_task(records: Records) -> None:
    job = new_probe(caller="owner:a", owner="a")
    await create(records.store, job)
    task = await take(records.store)
    assert await records.store.probes.begin(task)
    record = await records.store.jobs.read(job.job_id)
    assert record
    assert await records.store.probes.cancel(replace(record, state=record.state | {"seq": 1})) is Cancelled.MOVED
    assert await records.store.probes.cancel(record) is Cancelled.CANCELLED
    assert await records.store.probes.cancel(record) is Cancelled.ENDED
    assert await records.store.tasks(QUEUE).hold({task.id: task.taken}, 30) == {task.id}
    assert not await records.store.probes.complete(task, PROBE)
    assert not await records.redis.keys(keys.PROBE_BY_URL + "*")
    told = await state(records, job)
    assert (told["status"], told["probe"]) == ("cancelled", None)


async def test_a_caller_has_so_many_at_once(records: Records) -> None:
    """Each other caller waits for no more than these."""
    made = [new_probe(url=f"{URL}/{number}", caller="owner:a", owner="a") for number in range(MAX_OPEN)]
    for job in made:
        await create(records.store, job)
    with pytest.raises(QuotaExceeded) as refused:
        await create(records.store, new_probe(url=f"{URL}/more", caller="owner:a", owner="a"))
    assert (refused.value.limit, refused.value.most) == ("probes_waiting", MAX_OPEN)
    await create(records.store, new_probe(caller="owner:b", owner="b"))
    await records.store.probes.fail(await take(records.store), ErrorCode.PRIVATE)
    await create(records.store, new_probe(url=f"{URL}/more", caller="owner:a", owner="a"))


async def test_callers_take_turns(records: Records) -> None:
    store = records.store
    jobs = [new_probe(url=f"{URL}/{at}", caller=caller) for at, caller in enumerate("aaaabbc")]
    for job in jobs:
        await create(store, job)
    places = {job.job_id: at for at, job in enumerate(jobs)}

    async def take_places(count: int) -> list[int]:
        return [places[task.id] for task in (await store.probes.take(count, 30))[0]]

    assert await take_places(2) == [0, 4], "one of each caller, in their order"
    assert await take_places(1) == [6]
    assert await take_places(3) == [1, 5, 2]
    await records.redis.zadd(keys.PROBES, {jobs[4].job_id: 1, jobs[5].job_id: 2})  # their worker died
    assert await take_places(9) == [4, 5, 3]
    await records.redis.zadd(keys.PROBES, {"gone": 0})
    assert await take_places(9) == []
    assert await records.redis.zscore(keys.PROBES, "gone") is None


async def test_probes_leave_an_owners_waiting_downloads_alone(records: Records) -> None:
    limits = JobLimits(jobs_waiting=1)
    await create(records.store, new_probe(caller="owner:a", owner="a", limits=limits))
    download = replace(new_job(), caller="owner:a", owner="a", limits=limits)
    assert (await records.store.jobs.create(download, CAP)).status is Status.QUEUED
    await create(records.store, new_probe(url=URL + "2", caller="owner:a", owner="a", limits=limits))


async def test_lists_tell_the_kinds_apart(records: Records) -> None:
    probe, download = new_probe(owner="a"), replace(new_job(), owner="a")
    await create(records.store, probe)
    await records.store.jobs.create(download, CAP)

    async def listed(**which: Any) -> list[str]:
        page = await records.store.job_lists.read_page(replace(A, **which), 10)
        return [job.job_id for job in page.jobs]

    queued = frozenset({Status.QUEUED})
    assert await listed(kind=JobKind.PROBE) == await listed(kind=JobKind.PROBE, statuses=queued) == [probe.job_id]
    assert await listed(kind=JobKind.DOWNLOAD) == [download.job_id]
    await records.store.probes.complete(await take(records.store), PROBE)
    assert await listed(kind=JobKind.PROBE) == [probe.job_id]
    assert await listed(statuses=queued) == [download.job_id]


async def test_probes_leave_the_jobs_of_their_owner_most_of_the_room(records: Records) -> None:
    """However many are asked for: they have a list of their own. So what has expired goes first, which they do soon."""
    bound = 2**20
    store = Store(records.redis, SECONDS, EndedLimits(bytes=bound))
    found = replace(PROBE, title="x" * 20_000)
    jobs = [await records.created() for _ in range(4)]
    for job in jobs:
        await records.cancel(job)
    probes = []
    for number in range(20):
        probes.append(new_probe(url=f"{URL}/{number}"))
        await create(store, probes[-1])
        assert await store.probes.begin(task := await take(store))
        assert await store.probes.complete(task, found)
        assert int(await of(records.redis.hget(keys.ROOM, "ended_bytes")) or 0) <= bound
    assert None not in [await store.jobs.read(job.job_id) for job in jobs]
    assert await store.jobs.read(probes[-1].job_id)
    assert not await store.jobs.read(probes[0].job_id), "the oldest probes go"


async def test_the_same_key_gets_the_same_probe(records: Records) -> None:
    job = new_probe(idempotency_key="k")
    await create(records.store, job)
    again = await create(records.store, replace(new_probe(idempotency_key="k"), caller=job.caller))
    assert (again.job_id, again.replayed) == (job.job_id, True)
    with pytest.raises(IdempotencyMismatch):
        await create(records.store, new_probe(idempotency_key="k", url=URL + "2"))
    with pytest.raises(IdempotencyMismatch):  # the same request for another kind of job
        await records.store.jobs.create(replace(new_job(), url=URL, idempotency_key="k"), CAP)


async def test_a_probe_whose_record_is_gone_leaves_the_queue(records: Records) -> None:
    job = new_probe()
    await create(records.store, job)
    await records.redis.delete(keys.JOB + job.job_id)
    assert not await records.store.probes.begin(await take(records.store))
    assert not await of(records.redis.zcard(keys.PROBES))
