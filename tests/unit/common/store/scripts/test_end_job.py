"""What has ended keeps its last state and what it is asked for; the rest goes within minutes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.records import CAP, SECONDS, Records, at, of
from support.redis_server import redis_server
from vidferry_common.contract import keys
from vidferry_common.contract.messages import job_link
from vidferry_common.contract.stages import DONE, DOWNLOAD_STARTED, NEW_VIDEO, Status
from vidferry_common.store import Ending, NewJob, RedisSettings, Store, connect_redis

pytestmark = pytest.mark.anyio
JOBS = 200
KIBIBYTE = 1024
TITLE = "A talk about distributed systems – Öffentliche Vorlesung, part 7"
GENERATION_TOLD = "1764452643123456"


def signed_link(name: str) -> str:
    """As long as those of Cloud Storage, which are the longest."""
    return (
        f"https://storage.googleapis.com/acme-media-videos/{name}?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential="
        "vidferry%40acme-media-prod.iam.gserviceaccount.com%2F20261129%2Fauto%2Fstorage%2Fgoog4_request"
        "&X-Goog-Date=20261129T214403Z&X-Goog-Expires=604800&X-Goog-SignedHeaders=host"
        f"&generation={GENERATION_TOLD}&response-content-disposition=attachment%3B+filename%3D%22A+talk+about+distributed"
        f"+systems.mp4%22%3B+filename%2A%3DUTF-8%27%27A%2520talk%2520about&X-Goog-Signature={'0f' * 256}"
    )


async def finished(records: Records, number: int) -> NewJob:
    """A job with all the steps of a new video, some progress, a picture, and a result as they usually are."""
    job = await records.created(
        url=f"https://www.youtube.com/watch?v=dQw4w{number:06}", public_root="https://media.example.org",
        idempotency_key=f"key-{number}", caller=f"192.0.2.{number % 200}",
    )  # fmt: skip
    _, claim = await records.claimed(job)
    name = f"videos/youtube/youtube.com/dQw4w{number:06}/1080-any"
    assert await records.store.downloads.claim_object(claim, name)
    facts: dict[str, Any] = {
        "title": TITLE, "has_thumbnail": True, "downloaded_bytes": 123_456_789, "total_bytes": 987_654_321,
        "max_retries": 3,
    }  # fmt: skip
    await records.store.downloads.record_thumbnail(
        job.download_id, f"videos/youtube/youtube.com/dQw4w{number:06}/thumbnail"
    )
    for step in NEW_VIDEO[:-1]:
        assert await records.store.downloads.publish(claim, at(step, **facts).body(), step=True)
        moved = at(DOWNLOAD_STARTED, **facts, speed=1234567.1, eta=12.3)
        assert await records.store.downloads.publish(claim, moved.body(), step=False)
    result = {
        "title": TITLE, "duration": 3612.5, "size": 987_654_321, "media_type": "video/mp4", "filename": f"{TITLE}.mp4",
        "url": signed_link(name), "expires_at": "2026-12-06T21:44:03.000Z", "file_url": job_link("file"),
        "reused": False,
    }  # fmt: skip
    done = at(DONE, **facts, status=Status.COMPLETED, result=result)
    assert await records.store.downloads.finish(claim, done.body(), Ending(name, GENERATION_TOLD, name, 86400))
    return job


@pytest.fixture
async def own() -> AsyncIterator[Records]:
    """A Redis that nobody else fills."""
    with redis_server() as server:
        redis = connect_redis(RedisSettings.model_validate({"redis_url": server.url}), max_connections=8)
        yield Records(Store(redis, SECONDS), redis)
        await redis.aclose(close_connection_pool=True)


async def pass_minutes(records: Records) -> None:
    """As if the time had passed that what goes soon has."""
    soon = [key for key in await records.redis.keys("*") if 0 <= await records.redis.ttl(key) <= 300]
    await records.redis.delete(*soon)


async def test_a_finished_job_costs_at_most_four_and_a_half_kib(own: Records) -> None:
    await finished(own, JOBS)
    await pass_minutes(own)
    before, counted = (await own.store.read_memory()).used, int(await of(own.redis.hget(keys.ROOM, "ended_bytes")))

    for number in range(JOBS):
        await finished(own, number)
    await pass_minutes(own)

    each = ((await own.store.read_memory()).used - before) / JOBS
    assert each <= 4.5 * KIBIBYTE
    counted = int(await of(own.redis.hget(keys.ROOM, "ended_bytes"))) - counted
    assert 0.9 * each <= counted / JOBS <= 1.25 * each, "what VIDFERRY_ENDED_BYTES bounds, by any server's allocator"


async def test_all_that_stays(records: Records) -> None:
    job = await finished(records, 1)
    whole = await records.history(job.job_id)
    assert [message["data"]["progress"] for message in whole] == [step.progress for step in NEW_VIDEO]

    await pass_minutes(records)

    left = {key.decode() for key in await records.redis.keys("*")}
    assert {key.rpartition(":")[0] for key in left} == {"vidferry", *(
        prefix.removesuffix(":")
        for prefix in (keys.JOB, keys.OBJECT_BY_URL, keys.IDEMPOTENCY, keys.JOBS_BY_OWNER, keys.ENDED_JOBS)
    )}  # fmt: skip
    assert set(await of(records.redis.hkeys(keys.JOB + job.job_id))) == {
        b"request", b"created", b"owner", b"state", b"filed", b"object", b"generation", b"thumbnail"
    }  # fmt: skip
    assert await records.state(job.job_id) == whole[-1]
    found = await records.read(job)
    assert (found.url, found.format, found.priority, found.force) == (job.url, job.format, job.priority, False)
    assert found.thumbnail.endswith("/thumbnail")
    assert (await records.store.jobs.create(job, CAP)).status is Status.COMPLETED


async def test_the_history_goes_sooner_where_memory_is_short(records: Records) -> None:
    for share, seconds in ((0.6, 300), (0.75, 10)):
        await of(records.redis.config_set("maxmemory", int((await records.store.read_memory()).counted / share)))
        await of(records.redis.hdel(keys.ROOM, "looked", "share"))
        job = await finished(records, int(share * 100))
        await of(records.redis.config_set("maxmemory", 0))
        assert seconds - 5 <= await records.redis.ttl(keys.JOB + job.job_id + keys.HISTORY) <= seconds
        assert seconds - 5 <= await records.redis.ttl(keys.DOWNLOAD + job.download_id) <= seconds
