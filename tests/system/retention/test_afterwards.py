"""What users see of a video that was removed, and of one that is being removed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.answers import problem
from support.children import until
from support.faults import Fault, Gate
from support.jobs import Jobs
from support.origin.site import Site
from support.records import new_job, of
from support.redis_server import RedisServer
from support.services import KEY, Api, Worker
from system.retention.homes import DAY, FolderHome, GcsHome, names, store, sweeping
from vidferry_common.contract import keys
from vidferry_common.contract.formats import Format
from vidferry_common.contract.identity import digest, object_id
from vidferry_common.objects.entry import entry_of
from vidferry_common.objects.removal import Removal, remove_object
from vidferry_common.store import NewJob

pytestmark = pytest.mark.anyio
OFTEN = {"retention_days": "1", "retention_interval": "0.1", "signing_key": KEY}


@pytest.fixture
def worker(redis: RedisServer, folder_home: FolderHome, tmp_path: Path) -> Iterator[Worker]:
    with sweeping(redis, tmp_path / "w", folder_home, **OFTEN) as process:
        yield process


async def made(jobs: Jobs, url: str) -> tuple[NewJob, str]:
    """A job that succeeded, and its object's name."""
    job = await jobs.give(url)
    end = await jobs.end(job)
    assert end["status"] == "completed", end
    return job, await jobs.field(job, "object")


async def removed(home: FolderHome, worker: Worker, jobs: Jobs, name: str) -> None:
    """As days later: it is old, and nobody was given it of late."""
    home.age(name, 2 * DAY)
    await jobs.redis.delete(keys.PINNED)
    await until(lambda: any(entry["objects"] for entry in worker.logged("retention sweep completed")))


async def test_a_removed_file_is_gone_and_a_new_post_fetches_it_anew(
    worker: Worker, folder_home: FolderHome, redis: RedisServer, jobs: Jobs, site: Site
) -> None:
    url = site.url("/media/clip.mp4")
    job, name = await made(jobs, url)
    with Api(redis.url, folder_home.root) as api, httpx2.Client(base_url=api.url, timeout=20) as client:
        file = f"/api/jobs/{job.job_id}/file"
        answer = await asyncio.to_thread(client.get, file)
        link = answer.headers["location"]
        assert answer.status_code == 307
        await removed(folder_home, worker, jobs, name)

        problem(await asyncio.to_thread(client.get, file), 410, "object_gone")
        problem(await asyncio.to_thread(client.get, link), 410, "object_gone")
        again, _ = await made(jobs, url)

        assert (await jobs.end(again))["result"]["reused"] is False
        assert (await asyncio.to_thread(client.get, file)).status_code == 307


async def test_a_file_that_somebody_was_just_given_a_link_to_stays(
    worker: Worker, folder_home: FolderHome, redis: RedisServer, jobs: Jobs, site: Site
) -> None:
    job, name = await made(jobs, site.url("/media/clip.mp4"))
    with Api(redis.url, folder_home.root) as api, httpx2.Client(base_url=api.url, timeout=20) as client:
        await jobs.redis.delete(keys.PINNED)
        link = (await asyncio.to_thread(client.get, f"/api/jobs/{job.job_id}/file")).headers["location"]
        folder_home.age(name, 2 * DAY)
        sweeps = len(worker.logged("retention sweep completed"))
        await until(lambda: len(worker.logged("retention sweep completed")) >= sweeps + 2)

        assert (await asyncio.to_thread(client.get, link)).status_code == 200


async def test_a_folder_that_is_away_has_lost_no_file(
    worker: Worker, folder_home: FolderHome, redis: RedisServer, jobs: Jobs, site: Site, tmp_path: Path
) -> None:
    job, name = await made(jobs, site.url("/media/clip.mp4"))
    with Api(redis.url, folder_home.root) as api, httpx2.Client(base_url=api.url, timeout=20) as client:
        file = f"/api/jobs/{job.job_id}/file"
        folder_home.root.rename(tmp_path / "elsewhere")
        problem(await asyncio.to_thread(client.get, file), 503, "storage_unavailable")
        worker.wait_for("retention sweep failed")

        (tmp_path / "elsewhere").rename(folder_home.root)
        assert (await asyncio.to_thread(client.get, file)).status_code == 307
    assert await names(folder_home) == {name}


async def test_what_an_address_led_to_is_looked_for_before_it_is_handed_out(
    worker: Worker, folder_home: FolderHome, jobs: Jobs, site: Site
) -> None:
    """As after a job of a site with ids of its own."""
    url = site.url("/media/clip.mp4")
    first, name = await made(jobs, url)
    await jobs.redis.set(keys.OBJECT_BY_URL + digest(first.url, first.format.canonical()), name)
    used, _ = await made(jobs, url)
    assert (await jobs.end(used))["result"]["reused"] is True
    await removed(folder_home, worker, jobs, name)

    again, _ = await made(jobs, url)

    assert (await jobs.end(again))["result"]["reused"] is False


async def test_what_was_handed_out_of_late_stays(
    worker: Worker, folder_home: FolderHome, jobs: Jobs, site: Site
) -> None:
    """A job that is just being finished as reused leads to an object that is there."""
    url = site.url("/media/clip.mp4")
    _, name = await made(jobs, url)
    await jobs.redis.delete(keys.PINNED)
    used, _ = await made(jobs, url)
    assert (await jobs.end(used))["result"]["reused"] is True
    folder_home.age(name, 2 * DAY)
    await store(folder_home, {"videos/a/b/c/best-any": 2 * DAY})

    await until(lambda: any(entry["objects"] for entry in worker.logged("retention sweep completed")))

    assert await names(folder_home) == {name}


async def test_what_is_being_removed_is_not_handed_out(
    redis: RedisServer, gcs_home: GcsHome, jobs: Jobs, site: Site, tmp_path: Path
) -> None:
    url = site.url("/media/clip.mp4")
    with sweeping(redis, tmp_path / "w", gcs_home, **OFTEN, retry_delay="1") as worker:
        _, name = await made(jobs, url)
        gate = gcs_home.gcs.layer.faults.hold("delete")
        gcs_home.age(name, 2 * DAY)
        await jobs.redis.delete(keys.PINNED)
        assert await asyncio.to_thread(gate.reached.wait, 20)

        job = await jobs.give(url)
        await jobs.until(job, lambda data: data["status"] == "queued" and data["retries"] == 1)
        del gcs_home.gcs.layer.older[name]
        gate.open()

        end = await jobs.end(job)
        assert (end["status"], end["result"]["reused"]) == ("completed", False), worker.log
        assert await names(gcs_home) == {name}


async def delete(home: GcsHome | FolderHome, jobs: Jobs, name: str) -> Removal:
    """As the api does on request."""
    entry = await jobs.store.object_index.find(object_id(name))
    assert entry is not None
    return await remove_object(jobs.store, home.bucket, entry, lambda _: True, pinned_too=True)


async def test_what_was_stored_and_what_was_reused_is_in_the_index(
    redis: RedisServer, folder_home: FolderHome, jobs: Jobs, site: Site, tmp_path: Path
) -> None:
    await of(jobs.redis.hset(keys.OBJECT_WALK, "completed", "9999999999999"))  # so no worker walks
    url = site.url("/media/clip.mp4")
    with sweeping(redis, tmp_path / "w", folder_home, signing_key=KEY):
        _, name = await made(jobs, url)
        stored = await folder_home.bucket.stat(name)
        assert stored
        entry = entry_of(stored, has_thumbnail=False)
        assert entry.site == "127.0.0.1"
        assert await jobs.store.object_index.find(object_id(name)) == entry

        await jobs.redis.delete(keys.OBJECTS, keys.OBJECTS_BY_TIME)
        again, _ = await made(jobs, url)

        assert (await jobs.end(again))["result"]["reused"] is True
        assert await jobs.store.object_index.find(object_id(name)) == entry


async def test_a_job_that_has_found_an_object_is_not_given_one_that_was_deleted_since(
    redis: RedisServer, gcs_home: GcsHome, jobs: Jobs, site: Site, tmp_path: Path
) -> None:
    url = site.url("/media/clip.mp4")
    with sweeping(redis, tmp_path / "w", gcs_home, signing_key=KEY) as worker:
        _, name = await made(jobs, url)
        gate = Gate()
        found = Fault(lambda call: call.kind == "read" and "thumbnail" in call.target, gate=gate)
        gcs_home.gcs.layer.faults.put(found)
        job = await jobs.give(url)
        assert await asyncio.to_thread(gate.reached.wait, 20)

        assert await delete(gcs_home, jobs, name) is Removal.REMOVED
        gate.open()

        end = await jobs.end(job)
        assert (end["status"], end["result"]["reused"]) == ("completed", False), worker.log
    assert await names(gcs_home) == {name}


async def test_a_download_stores_what_was_deleted_while_it_ran(
    redis: RedisServer, gcs_home: GcsHome, jobs: Jobs, site: Site, tmp_path: Path
) -> None:
    """The one that it was to replace, on request of the caller."""
    url = site.url("/media/clip.mp4")
    with sweeping(redis, tmp_path / "w", gcs_home, signing_key=KEY) as worker:
        _, name = await made(jobs, url)
        before = await gcs_home.bucket.stat(name)
        gate = gcs_home.gcs.layer.faults.hold("begin")
        job = new_job(url, format=Format(), force=True)
        await jobs.store.jobs.create(job, 1000)
        assert await asyncio.to_thread(gate.reached.wait, 20)

        assert await delete(gcs_home, jobs, name) is Removal.REMOVED
        gate.open()

        end = await jobs.end(job)
        assert end["status"] == "completed", worker.log
        stored = await gcs_home.bucket.stat(name)
        assert stored
        assert before
        assert stored.version != before.version
        found = await jobs.store.object_index.find(object_id(name))
        assert found
        assert found.bucket_version == stored.version
