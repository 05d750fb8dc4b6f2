"""Owners with limits, and with objects of their own, on a real worker."""

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support.jobs import Jobs, jobs_in
from support.origin.site import Site
from support.redis_server import RedisServer
from support.services import Worker
from vidferry_common.contract import keys
from vidferry_common.contract.formats import Format
from vidferry_common.contract.identity import is_stored_by_vidferry, partition_of
from vidferry_common.contract.trace import continue_trace
from vidferry_common.store import JobLimits, NewJob

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def worker(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker(redis.url, tmp_path_factory.mktemp("worker"), worker_slots="4") as process:
        yield process


async def give(jobs: Jobs, owner: str, url: str, **fields: Any) -> NewJob:
    job = NewJob(
        str(uuid.uuid4()), str(uuid.uuid4()), os.urandom(4).hex(), url, Format(), "http://localhost:3001",
        continue_trace(None), owner=owner, caller=f"owner:{owner}", **fields,
    )  # fmt: skip
    await jobs.store.jobs.create(job, 1000)
    return job


async def object_of(jobs: Jobs, job: NewJob) -> str:
    record = await jobs.store.jobs.read(job.job_id)
    assert record is not None
    return record.object


async def bytes_of(jobs: Jobs, owner: str) -> int:
    counters = [await jobs.redis.get(key) for key in await jobs.redis.keys(f"{keys.OWNER_BYTES}*:{owner}")]
    return sum(map(int, counters))


async def test_what_one_owner_fetched_is_fetched_anew_for_another(worker: Worker, jobs: Jobs, site: Site) -> None:
    url = site.url("/page")
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for owner in ("a", "b"):
        first, again = [await give(jobs, owner, url, partition=partition_of(owner)) for _ in range(2)]
        await jobs.end(first)
        await jobs.end(again)
        again = await give(jobs, owner, url, partition=partition_of(owner))
        assert (await jobs.end(again))["result"]["reused"], "of its own"
        assert await object_of(jobs, again) == await object_of(jobs, first)
        found[owner] = (await jobs.end(first), await object_of(jobs, first))

    assert not found["b"][0]["result"]["reused"]
    names = {found[owner][1] for owner in found}
    assert len(names) == 2
    assert all(map(is_stored_by_vidferry, names)), "retention sees them"
    shared = await give(jobs, "c", url)
    assert not (await jobs.end(shared))["result"]["reused"]
    assert await object_of(jobs, shared) not in names


async def test_one_owners_running_download_is_not_joined_by_another(worker: Worker, jobs: Jobs, site: Site) -> None:
    url = site.url("/gated/one/clip.mp4")
    one, other = [await give(jobs, owner, url, partition=partition_of(owner)) for owner in ("a", "b")]
    site.gate("one").wait_held(2)
    site.gate("one").open()

    ends = [await jobs.end(job) for job in (one, other)]

    assert [end["result"]["reused"] for end in ends] == [False, False]
    assert await object_of(jobs, one) != await object_of(jobs, other)


async def test_a_video_beyond_its_owners_limit_is_refused(worker: Worker, jobs: Jobs, site: Site) -> None:
    url = site.url("/media/clip.mp4")
    large = await give(jobs, "bounded", url, limits=JobLimits(max_bytes=1000))
    long = await give(jobs, "bounded", url, limits=JobLimits(max_duration=1))

    assert (await jobs.end(large))["error"]["code"] == "too_large"
    assert (await jobs.end(long))["error"]["code"] == "too_long"
    assert await bytes_of(jobs, "bounded") == 0


async def test_a_stored_video_beyond_its_owners_limit_is_refused_too(worker: Worker, jobs: Jobs, site: Site) -> None:
    url = site.url("/media/clip.mp4?stored")
    assert (await jobs.end(await give(jobs, "rich", url)))["status"] == "completed"

    large = await give(jobs, "a", url, limits=JobLimits(max_bytes=1000))
    long = await give(jobs, "a", url, limits=JobLimits(max_duration=1))
    within = await give(jobs, "a", url, limits=JobLimits(max_bytes=10**9, max_duration=3600))

    assert (await jobs.end(large))["error"]["code"] == "too_large"
    assert (await jobs.end(long))["error"]["code"] == "too_long"
    assert (await jobs.end(within))["result"]["reused"]


async def test_uploaded_bytes_are_counted_and_reused_ones_are_not(worker: Worker, jobs: Jobs, site: Site) -> None:
    url = site.url("/media/clip.mp4?bytes")
    end = await jobs.end(await give(jobs, "counted", url))
    assert await bytes_of(jobs, "counted") == end["result"]["size"] > 0

    assert (await jobs.end(await give(jobs, "later", url)))["result"]["reused"]
    assert await bytes_of(jobs, "later") == 0


async def test_no_more_run_than_an_owner_may_over_all_workers(
    own_redis: RedisServer, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    homes = [tmp_path_factory.mktemp("worker") for _ in range(2)]
    async with jobs_in(own_redis) as jobs:
        with Worker(own_redis.url, homes[0], worker_name="one"), Worker(own_redis.url, homes[1], worker_name="two"):
            limits = JobLimits(jobs_running=2)
            many = [await give(jobs, "a", site.url(f"/gated/{n}/clip.mp4"), limits=limits) for n in range(4)]
            other = await give(jobs, "b", site.url("/media/clip.mp4"))
            assert (await jobs.end(other))["status"] == "completed", "eight slots, of which two are taken"
            states = [(await jobs.until(job, lambda _: True))["status"] for job in many]
            assert states.count("processing") <= 2
            for number in range(2):
                await jobs.until(many[number], lambda data: data["stage"] == "downloading")
            assert [(await jobs.until(job, lambda _: True))["status"] for job in many[2:]] == ["queued"] * 2
            for number in range(4):
                site.gate(str(number)).open()
            assert [(await jobs.end(job))["status"] for job in many] == ["completed"] * 4
