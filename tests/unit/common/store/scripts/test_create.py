import asyncio
import uuid
from pathlib import PurePosixPath

import orjson
import pytest
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus

from support.records import CAP, SECONDS, Records, new_job, of, progress, seqs
from vidferry_common.contract import keys
from vidferry_common.contract.formats import Format, Quality
from vidferry_common.contract.messages import Cursor
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.stages import DOWNLOAD_STARTED, INFO, STARTED, Status
from vidferry_common.store import IdempotencyMismatch, QueueFull

pytestmark = pytest.mark.anyio
URL = "https://example.com/one"


async def test_a_new_job_waits_with_a_state_to_show(records: Records) -> None:
    job = await records.created()

    found = await records.store.jobs.read(job.job_id)
    assert found is not None
    assert (found.url, found.format, found.download_id) == (job.url, job.format, job.download_id)
    assert (found.status, found.state["seq"], found.state["progress"]) == (Status.QUEUED, 1, 0)
    assert found.state["job_id"] == job.job_id
    assert Cursor.parse(found.cursor) == Cursor(job.epoch, 1)
    assert (await records.state(job.job_id))["traceparent"] == job.traceparent


async def test_there_is_no_job_that_nobody_made(records: Records) -> None:
    assert await records.store.jobs.read(str(uuid.uuid4())) is None
    assert await records.store.downloads.read(str(uuid.uuid4())) is None
    assert await records.dump() == {}


async def test_arq_reads_what_the_script_queued(records: Records) -> None:
    job = await records.created()

    pool = ArqRedis(pool_or_conn=records.redis.connection_pool)
    queued = Job(keys.arq_id(job.download_id, 1), pool, keys.QUEUE, _deserializer=orjson.loads)
    info = await queued.info()
    assert info is not None
    assert (info.function, list(info.args), info.kwargs) == (keys.FUNCTION, [job.download_id, 1], {})
    assert await queued.status() is JobStatus.queued
    assert info.score is not None
    due = info.score + Priority.INTERACTIVE.head_start_ms
    assert abs(due - await records.now_ms()) < 60_000
    assert await of(records.redis.llen(keys.DOORBELL)) == 1


async def test_one_that_comes_later_is_sent_what_it_missed(records: Records) -> None:
    first, claim = await records.claimed(await records.created(url=URL))
    await records.step(claim, STARTED, INFO, DOWNLOAD_STARTED)
    await records.store.downloads.publish(
        claim, b'"status":"processing","stage":"downloading","progress":31,"attempt":1', step=False
    )

    late = new_job(URL)
    await records.listen(late.job_id)
    await records.store.jobs.create(late, CAP)

    heard = await records.heard(late.job_id)
    assert progress(heard) == [5, 10, 20, 31]
    assert seqs(heard) == [1, 2, 3, 4]
    assert heard[-1] == await records.state(late.job_id)
    assert heard[:-1] == await records.history(late.job_id)
    assert {message["data"]["job_id"] for message in heard} == {late.job_id}
    found = await records.store.jobs.read(late.job_id)
    assert found is not None
    assert found.download_id == first.download_id
    assert await records.store.downloads.publish(claim, b'"progress":32', step=False) is not None
    assert [(await records.state(job.job_id))["data"]["progress"] for job in (first, late)] == [32, 32]


async def test_one_that_comes_right_after_a_step_is_sent_it_once(records: Records) -> None:
    _, claim = await records.claimed(await records.created(url=URL))
    await records.step(claim, STARTED, INFO)

    late = await records.created(url=URL)

    assert progress(await records.history(late.job_id)) == [5, 10]
    assert (await records.state(late.job_id))["data"]["seq"] == 2


async def test_other_formats_and_other_addresses_are_other_downloads(records: Records) -> None:
    jobs = [
        await records.created(url=URL),
        await records.created(url=URL, format=Format(quality=Quality.P720)),
        await records.created(url=URL + "?v=2"),
    ]
    found = [await records.store.jobs.read(job.job_id) for job in jobs]
    assert len({one.download_id for one in found if one}) == 3
    assert await records.redis.zcard(keys.QUEUE) == 3


async def test_fifty_at_once_are_one_download(records: Records) -> None:
    jobs = [new_job(URL) for _ in range(50)]
    created = await asyncio.gather(*(records.store.jobs.create(job, CAP) for job in jobs))

    assert {one.job_id for one in created} == {job.job_id for job in jobs}
    assert not any(one.replayed for one in created)
    downloads = await records.redis.keys(keys.DOWNLOAD + "*")
    assert sorted(PurePosixPath(key.decode()).suffix for key in downloads) == ["", ""]
    (arq_id,) = await records.redis.zrange(keys.QUEUE, 0, -1)
    download_id = arq_id.decode().removesuffix(":1")
    attached = await of(records.redis.smembers(keys.DOWNLOAD + download_id + keys.JOBS))
    assert {member.decode() for member in attached} == {job.job_id for job in jobs}
    claim = await records.store.leases.claim(download_id, 1, 60, "worker")
    assert claim is not None
    told = await records.store.downloads.publish(claim, b'"progress":5', step=True)
    assert told is not None
    assert sorted(told) == sorted(job.job_id for job in jobs)


async def test_a_repeated_request_is_answered_with_its_job(records: Records) -> None:
    job = await records.created(url=URL, idempotency_key="k", caller="c")
    before = await records.dump()

    again = await records.store.jobs.create(new_job(URL, idempotency_key="k", caller="c"), CAP)

    assert (again.job_id, again.replayed) == (job.job_id, True)
    assert await records.dump() == before
    (key,) = await records.redis.keys(keys.IDEMPOTENCY + "*")
    assert SECONDS - 100 < await records.redis.ttl(key) <= SECONDS, "24 hours, and no longer than the job's record"


async def test_another_request_with_the_same_key_is_refused(records: Records) -> None:
    await records.created(url=URL, idempotency_key="k")
    before = await records.dump()

    for other in (
        new_job(URL + "/other", idempotency_key="k"),
        new_job(URL, idempotency_key="k", format=Format(quality=Quality.BEST)),
    ):
        with pytest.raises(IdempotencyMismatch):
            await records.store.jobs.create(other, CAP)
    assert await records.dump() == before


async def test_a_key_is_its_callers(records: Records) -> None:
    job = await records.created(url=URL, idempotency_key="k", caller="a")

    other = await records.store.jobs.create(new_job(URL, idempotency_key="k", caller="b"), CAP)

    assert not other.replayed
    assert other.job_id != job.job_id


async def test_an_owner_named_like_an_address_has_keys_of_its_own(records: Records) -> None:
    job = await records.created(url=URL, idempotency_key="k", caller="192.0.2.7")
    owned = new_job(URL, idempotency_key="k", owner="192.0.2.7", caller="owner:192.0.2.7")

    other = await records.store.jobs.create(owned, CAP)

    assert not other.replayed
    assert other.job_id == owned.job_id != job.job_id


async def test_fifty_repetitions_at_once_are_one_job(records: Records) -> None:
    created = await asyncio.gather(
        *(records.store.jobs.create(new_job(URL, idempotency_key="k"), CAP) for _ in range(50))
    )
    assert len({one.job_id for one in created}) == 1
    assert sum(not one.replayed for one in created) == 1
    assert len(await records.redis.keys(keys.JOB + "*")) == 1


async def test_a_full_queue_refuses_and_keeps_nothing(records: Records) -> None:
    for _ in range(2):
        await records.store.jobs.create(new_job(), 2)
    before = await records.dump()

    with pytest.raises(QueueFull):
        await records.store.jobs.create(new_job(idempotency_key="k"), 2)

    assert await records.dump() == before


async def test_a_full_queue_lets_in_who_joins_a_download(records: Records) -> None:
    await records.store.jobs.create(new_job(URL), 1)

    joined = await records.store.jobs.create(new_job(URL), 1)

    assert await records.store.jobs.read(joined.job_id) is not None


async def test_a_download_takes_so_many_jobs(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are told each step within one script."""
    monkeypatch.setattr("vidferry_common.store.jobs.MAX_JOBS", 2)
    for _ in range(2):
        await records.store.jobs.create(new_job(URL), CAP)
    before = await records.dump()

    with pytest.raises(QueueFull):
        await records.store.jobs.create(new_job(URL), CAP)

    assert await records.dump() == before


async def test_a_full_queue_still_answers_repetitions(records: Records) -> None:
    first = await records.store.jobs.create(new_job(URL, idempotency_key="k"), 1)

    assert (await records.store.jobs.create(new_job(URL, idempotency_key="k"), 1)).job_id == first.job_id


async def test_an_index_that_points_nowhere_is_no_obstacle(records: Records) -> None:
    """Redis may evict or expire a record before the index that names it."""
    lost = await records.created(url=URL)
    await records.redis.delete(keys.DOWNLOAD + lost.download_id)

    job = await records.created(url=URL)

    found = await records.store.jobs.read(job.job_id)
    assert found is not None
    assert found.download_id == job.download_id
    assert await records.store.leases.claim(job.download_id, 1, 60, "worker") is not None
