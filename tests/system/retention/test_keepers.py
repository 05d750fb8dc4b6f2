"""Who sweeps, and when: several workers, lost ones, and a bucket or a Redis that fails."""

import asyncio
import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from support.children import eventually, until
from support.jobs import Jobs
from support.origin.site import Site
from support.records import of
from support.redis_server import RedisServer
from support.services import Worker
from support.sources import put
from system.retention.homes import DAY, VIDEO, FolderHome, GcsHome, hold_listing, names, store, sweeping
from vidferry_common.bucket.checksum import crc32c
from vidferry_common.bucket.folder.files import FolderFiles, next_version
from vidferry_common.contract import keys

pytestmark = pytest.mark.anyio
SWEPT = "retention sweep completed"
ASKED = "next sweep scheduled"
OLD = f"{VIDEO}/old/best-any"
QUICK = {"retention_days": "1", "lease": "1"}
"""another worker leads after half a second"""


def sweeps(*workers: Worker) -> int:
    return sum(len(worker.logged(SWEPT)) for worker in workers)


def asked_as_keeper(worker: Worker) -> bool:
    return any(entry["seconds"] is not None for entry in worker.logged(ASKED))


async def test_two_workers_make_one_sweep(redis: RedisServer, folder_home: FolderHome, tmp_path: Path) -> None:
    """Nor does the second one when it leads, before the interval has passed."""
    await store(folder_home, {OLD: 2 * DAY})
    with (
        sweeping(redis, tmp_path / "a", folder_home, worker_name="a", **QUICK) as first,
        sweeping(redis, tmp_path / "b", folder_home, worker_name="b", **QUICK) as second,
    ):
        await until(lambda: sweeps(first, second) and first.logged(ASKED) and second.logged(ASKED))
        assert sweeps(first, second) == 1
        keeper, other = (first, second) if sweeps(first) else (second, first)
        assert not asked_as_keeper(other)
        await store(folder_home, {OLD: 2 * DAY})

        keeper.signal(signal.SIGKILL)
        await until(lambda: asked_as_keeper(other))

        assert sweeps(first, second) == 1
        assert await names(folder_home) == {OLD}


async def test_what_a_killed_keeper_left_is_swept_by_the_next(
    redis: RedisServer, gcs_home: GcsHome, tmp_path: Path
) -> None:
    await store(gcs_home, {OLD: 2 * DAY})
    gate = hold_listing(gcs_home)
    with (
        sweeping(redis, tmp_path / "a", gcs_home, worker_name="a", **QUICK) as first,
        sweeping(redis, tmp_path / "b", gcs_home, worker_name="b", **QUICK) as second,
    ):
        assert await asyncio.to_thread(gate.reached.wait, 20)
        first.signal(signal.SIGKILL)
        second.wait_for(SWEPT)
    assert await names(gcs_home) == set()


async def test_who_keeps_house_no_more_removes_nothing_more(
    redis: RedisServer, gcs_home: GcsHome, jobs: Jobs, tmp_path: Path
) -> None:
    await store(gcs_home, {f"{VIDEO}/{number}/best-any": 2 * DAY for number in range(3)})
    gate = gcs_home.gcs.layer.faults.hold("delete")
    with sweeping(redis, tmp_path / "w", gcs_home, **QUICK) as worker:
        assert await asyncio.to_thread(gate.reached.wait, 20)
        later = time.time() * 1000 + 60_000  # no worker is so silent
        await of(jobs.redis.hset(keys.LEADER, mapping={"worker": "another", "last_seen": later}))
        gate.open()
        worker.wait_for("another worker continues the sweep")
    assert sweeps(worker) == 0
    assert len(await names(gcs_home)) == 2
    assert await of(jobs.redis.hget(keys.LEADER, "swept")) is None


async def test_a_sweep_holds_up_no_lease(
    redis: RedisServer, gcs_home: GcsHome, jobs: Jobs, site: Site, tmp_path: Path
) -> None:
    gate = hold_listing(gcs_home)
    job = await jobs.give(site.url("/media/clip.mp4"))
    await jobs.store.leases.claim(job.download_id, 1, 0, "a worker that died")
    with sweeping(redis, tmp_path / "w", gcs_home, **QUICK) as worker:
        assert await asyncio.to_thread(gate.reached.wait, 20)
        end = await jobs.end(job)
        assert (end["status"], end["attempt"]) == ("completed", 2)
        assert sweeps(worker) == 0
        gate.open()
        worker.wait_for(SWEPT)


@pytest.mark.parametrize("kind", ["list", "delete"])
async def test_where_the_bucket_refuses_the_next_sweep_tries_again(
    kind: str, redis: RedisServer, gcs_home: GcsHome, tmp_path: Path
) -> None:
    await store(gcs_home, {OLD: 2 * DAY})
    with sweeping(redis, tmp_path / "w", gcs_home, worker_name="w", **QUICK, retention_interval="0.1") as worker:
        worker.wait_for(SWEPT)
        gcs_home.gcs.layer.faults.add(kind, status=403)
        await store(gcs_home, {OLD: 2 * DAY})
        worker.wait_for("retention sweep failed")
        await until(lambda: sum(entry["objects"] for entry in worker.logged(SWEPT)) == 2)
    assert await names(gcs_home) == set()


async def test_a_sweep_outlives_an_outage_of_redis(redis: RedisServer, folder_home: FolderHome, tmp_path: Path) -> None:
    with sweeping(redis, tmp_path / "w", folder_home, retention_interval="0.1", **QUICK) as worker:
        worker.wait_for(SWEPT)
        redis.kill()
        worker.wait_for("retention waits for Redis")
        redis.start()
        await store(folder_home, {OLD: 2 * DAY})
        await until(lambda: any(entry["objects"] == 1 for entry in worker.logged(SWEPT)))


async def test_what_was_replaced_since_it_was_listed_stays(
    redis: RedisServer, gcs_home: GcsHome, tmp_path: Path
) -> None:
    picture = f"{VIDEO}/old/thumbnail"
    listed = (await store(gcs_home, {OLD: 2 * DAY, picture: 2 * DAY}))[OLD]
    gate = gcs_home.gcs.layer.faults.hold("delete")
    with sweeping(redis, tmp_path / "w", gcs_home, **QUICK) as worker:
        assert await asyncio.to_thread(gate.reached.wait, 20)
        newer = await put(gcs_home.bucket, b"newer", OLD, listed.version)
        gate.open()
        worker.wait_for(SWEPT)
    assert await gcs_home.bucket.stat(OLD) == newer
    assert await names(gcs_home) == {OLD, picture}


async def test_what_was_replaced_in_a_folder_stays(
    redis: RedisServer, folder_home: FolderHome, jobs: Jobs, tmp_path: Path
) -> None:
    """The test writes in place of another worker, while it holds the object's lock."""
    listed = (await store(folder_home, {OLD: 2 * DAY}))[OLD]
    files = FolderFiles(folder_home.root)
    with ExitStack() as held:
        lock = held.enter_context(files.hold_lock(OLD))
        with sweeping(redis, tmp_path / "w", folder_home, **QUICK) as worker:
            await eventually(lambda: jobs.redis.zscore(keys.DELETING, OLD))
            newer = replace(listed, version=next_version(lock, listed), size=5, crc32c=crc32c(b"newer"))
            with files.create_incoming() as (written, target):
                os.write(target, b"newer")
                files.publish(written, newer)
            assert sweeps(worker) == 0
            held.close()
            worker.wait_for(SWEPT)
    assert await folder_home.bucket.read(OLD, 9) == (newer, b"newer")
