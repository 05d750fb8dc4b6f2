import json
from dataclasses import asdict

import pytest

from support.records import SECONDS, Records, at, body, new_job, of
from support.redis_server import redis_server
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.identity import credential_partition
from vidferry_common.contract.messages import queued_update
from vidferry_common.contract.stages import INFO, Status
from vidferry_common.store import Cause, Ending, RedisSettings, Requeue, Store, StoreUnavailable, connect_redis

pytestmark = pytest.mark.anyio

HANDOVER = Requeue(Cause.HANDOVER, at(INFO))
RETRY = Requeue(Cause.RETRY, at(INFO, retries=1), delay=5, limit=2, failure=ErrorCode.NETWORK)
DEATH = Requeue(Cause.WORKER_LOSS, queued_update(), limit=2, failure=ErrorCode.WORKER_LOST)
WITHOUT_EXPIRY = {
    keys.QUEUE, keys.LEASES, keys.DOORBELL, keys.DELAYED, keys.LEADER, keys.ROOM, keys.ENDED_LISTS, keys.ENDED_JOBS,
}  # fmt: skip


async def counters(records: Records, download_id: str) -> tuple[str, int, int]:
    record = await records.download(download_id)
    return record.status, record.retries, record.worker_losses


async def test_a_handover_costs_nothing_however_often(records: Records) -> None:
    job = await records.created()
    for attempt in range(1, 8):
        await records.claimed(job, attempt)
        assert await records.store.downloads.requeue(job.download_id, attempt, HANDOVER) == "requeued"

    assert await counters(records, job.download_id) == ("queued", 0, 0)
    score = await records.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 8))
    assert score is not None
    assert score <= await records.now_ms()  # due at once
    assert await records.redis.zscore(keys.LEASES, job.download_id) is None


async def test_a_retry_counts_waits_and_ends_at_the_limit(records: Records) -> None:
    job = await records.created()
    outcomes = []
    for attempt in (1, 2, 3):
        _, claim = await records.claimed(job, attempt)
        assert claim.retries == attempt - 1
        outcomes.append(await records.store.downloads.requeue(job.download_id, attempt, RETRY))
        if attempt == 1:
            score = await records.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 2))
            assert score is not None
            assert 0 < score - await records.now_ms() <= 5000

    assert outcomes == ["requeued", "requeued", "ended"]
    found = await records.store.jobs.read(job.job_id)
    assert found is not None
    assert found.status is Status.FAILED
    assert found.state["error"] == asdict(Failure.of(ErrorCode.NETWORK))
    assert await records.redis.zscore(keys.QUEUE, keys.arq_id(job.download_id, 4)) is None
    assert await records.redis.keys(keys.DOWNLOAD_BY_URL + "*") == []


async def test_a_death_waits_for_the_leases_end(records: Records) -> None:
    job, _ = await records.claimed()
    before = await records.dump()
    assert await records.store.downloads.requeue(job.download_id, 1, DEATH) == "stale"
    assert await records.dump() == before
    assert await records.expired() == []

    await records.end_lease(job.download_id)

    assert await records.expired() == [job.download_id]
    assert await records.store.downloads.requeue(job.download_id, 1, DEATH) == "requeued"
    assert await records.store.downloads.requeue(job.download_id, 1, DEATH) == "stale"  # another reaper was as quick
    assert await counters(records, job.download_id) == ("queued", 0, 1)
    assert await records.expired() == []


async def test_the_third_death_ends_it_whatever_came_between(records: Records) -> None:
    job = await records.created()
    causes = [DEATH, HANDOVER, RETRY, DEATH, HANDOVER, DEATH]
    outcomes = []
    for attempt, how in enumerate(causes, start=1):
        await records.claimed(job, attempt)
        if how is DEATH:
            await records.end_lease(job.download_id)
        outcomes.append(await records.store.downloads.requeue(job.download_id, attempt, how))

    assert outcomes == ["requeued"] * 5 + ["ended"]
    found = await records.store.jobs.read(job.job_id)
    assert found is not None
    assert found.state["error"]["code"] == "worker_lost"
    assert await records.expired() == []


async def test_a_dead_attempt_does_not_stay_on_the_queue(records: Records) -> None:
    """arq takes an entry off when its job returns, which a killed worker's never does: it would count for the cap."""
    job, _ = await records.claimed()
    await records.end_lease(job.download_id)
    await records.store.downloads.requeue(job.download_id, 1, DEATH)

    assert await records.redis.zrange(keys.QUEUE, 0, -1) == [keys.arq_id(job.download_id, 2).encode()]


async def test_renewing_tells_which_are_lost(records: Records) -> None:
    kept, _ = await records.claimed(lease=1)
    given_back, _ = await records.claimed()
    await records.store.downloads.requeue(given_back.download_id, 1, HANDOVER)
    taken, _ = await records.claimed()
    await records.store.downloads.requeue(taken.download_id, 1, HANDOVER)
    await records.claimed(taken, attempt=2)

    lost = await records.store.leases.renew(
        {kept.download_id: 1, given_back.download_id: 1, taken.download_id: 1, "no-such": 1}, 60
    )

    assert lost == {given_back.download_id, taken.download_id, "no-such"}
    until = await records.redis.zscore(keys.LEASES, kept.download_id)
    assert until is not None
    assert 55_000 < until - await records.now_ms() <= 60_000
    assert await records.redis.zscore(keys.LEASES, given_back.download_id) is None


async def test_an_expired_lease_that_nobody_took_is_renewed(records: Records) -> None:
    job, claim = await records.claimed()
    await records.end_lease(job.download_id)

    assert await records.store.leases.renew({job.download_id: 1}, 60) == set()

    assert await records.expired() == []
    assert await records.store.downloads.requeue(job.download_id, 1, DEATH) == "stale"
    assert await records.store.downloads.publish(claim, body(INFO), step=True) == [job.job_id]


async def test_the_oldest_lease_is_reaped_first_and_a_few_at_a_time(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidferry_common.store.leases.MAX_EXPIRED", 3)
    jobs = [(await records.claimed())[0] for _ in range(4)]
    now = await records.now_ms()
    for age, job in enumerate(jobs):
        await records.redis.zadd(keys.LEASES, {job.download_id: now - 1000 * (age + 1)})

    assert await records.expired() == [job.download_id for job in reversed(jobs[1:])]


async def test_everything_expires_but_the_queue_itself(records: Records) -> None:
    waiting = await records.created(url="https://example.com/x", idempotency_key="k")
    await records.store.jobs.create(new_job("https://example.com/x"), 10)
    _, claim = await records.claimed()
    await records.step(claim)
    await records.store.downloads.record_thumbnail(claim.download_id, "x")
    again, second = await records.claimed()
    await records.step(second)
    await records.store.downloads.requeue(again.download_id, 1, RETRY)
    job, third = await records.claimed()
    await records.store.downloads.finish(third, queued_update().as_failed(ErrorCode.DRM).body(), Ending("x"))

    await records.expired()
    left = {key.decode(): await records.redis.ttl(key) for key in await records.redis.keys("*")}
    assert {key for key, seconds in left.items() if seconds < 0} == WITHOUT_EXPIRY
    indexes = {key for key in left if key.startswith((keys.JOBS_BY_OWNER, keys.OPEN_JOBS))}
    assert max(left[key] for key in left.keys() - indexes) <= SECONDS
    assert max(left[key] for key in indexes) <= 2 * SECONDS
    soon = {key for key, seconds in left.items() if 0 <= seconds <= SECONDS - 60}
    download = keys.DOWNLOAD + job.download_id
    assert soon == {keys.JOB + job.job_id + keys.HISTORY, download, download + keys.JOBS}, "of what has ended"
    assert keys.JOB + waiting.job_id in left


async def test_what_happens_renews_the_expiry(records: Records) -> None:
    _, claim = await records.claimed()
    await records.step(claim)
    everything = [
        key
        for key in await found(records, "vidferry:")
        if key not in WITHOUT_EXPIRY
        and not key.startswith((keys.DOWNLOAD_BY_URL, keys.SITE, keys.JOBS_BY_OWNER, keys.OPEN_JOBS))
    ]
    assert len(everything) == 5
    for key in everything:
        await records.redis.expire(key, 10)

    await records.store.downloads.publish(claim, body(INFO), step=True)

    assert {key for key in everything if await records.redis.ttl(key) <= 10} == set()


async def found(records: Records, prefix: str) -> list[str]:
    return [key.decode() for key in await records.redis.keys(prefix + "*")]


async def test_a_note_on_a_record_that_is_gone_does_not_stay_for_ever(records: Records) -> None:
    await records.store.downloads.record_thumbnail("gone", "x")

    assert [key for key in await found(records, keys.DOWNLOAD) if await records.redis.ttl(key) < 0] == []


async def test_the_doorbell_does_not_grow_without_end(records: Records) -> None:
    await of(records.redis.lpush(keys.DOORBELL, *["1"] * 1000))  # nobody answered it for long

    await records.created()

    assert await of(records.redis.llen(keys.DOORBELL)) == 1000


async def test_a_redis_that_is_gone_is_told_as_one_error() -> None:
    with redis_server() as server:
        redis = connect_redis(RedisSettings.model_validate({"redis_url": server.url}))
        store = Store(redis, SECONDS)
        job = new_job()
        await store.jobs.create(job, 10)
        claim = await store.leases.claim(job.download_id, 1, 60, "worker")
        assert claim is not None
        record = await store.jobs.read(job.job_id)
        assert record is not None
        server.kill()
        for act in (
            store.ping(),
            store.jobs.create(new_job(), 10),
            store.jobs.read(job.job_id),
            store.jobs.cancel(record),
            store.downloads.read(job.download_id),
            store.downloads.record_thumbnail(job.download_id, "x"),
            store.downloads.claim_object(claim, "x"),
            store.downloads.publish(claim, b"", step=True),
            store.downloads.finish(claim, b"", Ending()),
            store.downloads.requeue(job.download_id, 1, HANDOVER),
            store.queue.pick(1),
            store.queue.read_depth(),
            store.leases.claim(job.download_id, 2, 1, "w"),
            store.leases.renew({}, 1),
            store.leases.find_expired("w", 1, 1, 1),
            store.leases.wait_for_cancellation("w", 1),
            store.objects.pin("x"),
            store.objects.mark_deleting("w", ["x"]),
            store.objects.forget(["x"], []),
            store.objects.check_sweep_due("w", 1),
        ):
            with pytest.raises(StoreUnavailable, match=r"."):
                await act
        server.start()
        record = await store.jobs.read(job.job_id)
        assert record is not None
        assert json.dumps(record.state)  # an accepted job was on disk
        await store.close()
        await redis.connection_pool.disconnect()


async def test_a_worker_is_told_whose_cookies_to_use_and_one_of_0_2_0_no_url(records: Records) -> None:
    """That one would ask the site without them."""
    job = await records.created(credential="alice", partition=credential_partition("alice"))
    plain = await records.created()
    assert await of(records.redis.hget(keys.DOWNLOAD + job.download_id, "url")) is None
    assert await of(records.redis.hget(keys.DOWNLOAD + plain.download_id, "url")) == plain.url.encode()

    claims = [(await records.claimed(each))[1] for each in (job, plain)]

    assert [(claim.url, claim.credential) for claim in claims] == [(job.url, "alice"), (plain.url, "")]
    assert [(await records.read(each)).credential for each in (job, plain)] == ["alice", ""]
