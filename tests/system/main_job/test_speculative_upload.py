"""The whole worker, which uploads what it still downloads: to both homes of the bucket, a folder elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.children import eventually, until
from support.elsewhere import elsewhere
from support.faults import Fault, Gate
from support.gcs import Gcs
from support.jobs import Jobs, jobs_in
from support.origin import media
from support.origin.site import Site
from support.redis_server import redis_server
from support.services import Worker
from vidferry_common.bucket import Bucket, BucketSettings, StoredObject, Upload, open_bucket
from vidferry_common.store import Cancelled, NewJob

__all__ = ["elsewhere"]

pytestmark = pytest.mark.anyio
NEW_VIDEO = [5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100]
MIB = 1024**2
SIZE = 20 * MIB
HELD = 12 * MIB
FILE = f"/large/g/clip.mp4?at={HELD}"
CHUNKS = 7
"""of half a MiB: more than the clip itself, which is the same in all versions"""
OTHER_VARIABLES = ("GOOGLE_APPLICATION_CREDENTIALS", "NO_GCE_CHECK", "CLOUDSDK_CONFIG")


@dataclass
class Home:
    """A bucket, seen from behind."""

    settings: dict[str, str]
    folder: Path
    gcs: Gcs | None
    opened: list[Bucket] = field(default_factory=list)

    def under_way(self) -> int:
        """Bytes of uploads that are not complete."""
        if self.gcs:
            return sum(len(each.data) for each in list(self.gcs.layer.sessions.values()) if each.finished is None)
        return sum(path.stat().st_size for path in (self.folder / "bucket" / "incoming").iterdir())

    def names(self) -> list[str]:
        """Of the videos that are visible."""
        if self.gcs:
            return [name for name in self.gcs.names() if name.startswith("videos/")]
        home = self.folder / "bucket" / "objects"
        return [str(path.relative_to(home)).removesuffix("#meta") for path in home.rglob("*#meta")]

    def has_nothing(self) -> bool:
        open_sessions = self.gcs and [one for one in self.gcs.layer.sessions.values() if one.finished is None]
        return not self.under_way() and not open_sessions and not self.names()

    def bucket(self) -> Bucket:
        if not self.opened:
            self.opened.append(open_bucket(BucketSettings.model_validate({**self.settings, "signing_key": "k" * 32})))
        return self.opened[0]

    async def read(self) -> tuple[StoredObject, bytes]:
        (name,) = self.names()
        return await self.bucket().read(name, 2 * SIZE)

    @contextmanager
    def worker(self, **settings: str) -> Iterator[Worker]:
        with redis_server() as redis, Worker(redis.url, self.folder, **{**self.settings, **settings}) as process:
            self.redis = redis
            if self.gcs:
                self.gcs.layer.calls.clear()  # it has asked whether it may write
            yield process


@pytest.fixture(params=["folder", "gcs"])
async def home(
    request: pytest.FixtureRequest, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Home]:
    if request.param == "folder":
        found = Home({"bucket": f"file://{tmp_path}/bucket", "worker_folder": str(elsewhere)}, tmp_path, None)
    else:
        session: Gcs = request.getfixturevalue("gcs_session")
        session.layer.forget()
        session.layer.sessions.clear()
        service = Gcs(session.layer, session.key_file)
        told = service.environment()
        for name in OTHER_VARIABLES:
            monkeypatch.setenv(name, told.pop(name))
        found = Home({name.removeprefix("VIDFERRY_").lower(): value for name, value in told.items()}, tmp_path, service)
    yield found
    if found.gcs:
        found.gcs.layer.forget()
    for bucket in found.opened:
        await bucket.close()


folder_only = pytest.mark.parametrize("home", ["folder"], indirect=True)
gcs_only = pytest.mark.parametrize("home", ["gcs"], indirect=True)


@dataclass
class Held:
    """A download of which a part is in the bucket already."""

    jobs: Jobs
    job: NewJob
    site: Site
    home: Home

    async def cancelled(self) -> bool:
        """False where something was told in between."""
        record = await self.jobs.store.jobs.read(self.job.job_id)
        assert record
        return await self.jobs.store.jobs.cancel(record) is Cancelled.CANCELLED

    async def end(self) -> dict[str, Any]:
        self.site.gate("g").open()
        return await self.jobs.end(self.job)


async def held(jobs: Jobs, site: Site, home: Home, path: str = FILE, least: int = HELD - 4 * MIB) -> Held:
    job = await jobs.give(site.url(path))
    await until(lambda: home.under_way() >= least, 40)
    assert home.names() == []
    return Held(jobs, job, site, home)


def hold_chunk(home: Home, number: int) -> Gate:
    """The first is 1; each has half a MiB."""
    assert home.gcs
    layer, gate = home.gcs.layer, Gate()
    layer.faults.put(Fault(lambda call: call.kind == "chunk" and layer.kinds().count("chunk") == number, gate=gate))
    return gate


async def test_it_is_in_the_bucket_when_its_last_byte_is_not_yet_here(home: Home, site: Site) -> None:
    """Invisible until then; and afterwards it is what an ordinary upload makes of it."""
    with home.worker() as process:
        async with jobs_in(home.redis) as jobs:
            download = await held(jobs, site, home)
            assert (await jobs.history(download.job))[-1]["stage"] == "downloading"
            end = await download.end()
            assert end["status"] == "completed", process.log
            assert [data["progress"] for data in await jobs.history(download.job)] == NEW_VIDEO
            await until(lambda: not process.left())
    early, data = await home.read()
    assert data == media.large(20)
    assert end["result"]["size"] == SIZE
    if home.gcs:
        assert (home.gcs.layer.received, home.gcs.layer.kinds().count("begin")) == (SIZE, 1)
    assert home.under_way() == 0

    await home.bucket().delete(early.name, early.version)
    with home.worker(upload_while_downloading="false"):
        async with jobs_in(home.redis) as jobs:
            again = await jobs.give(site.url(FILE))
            assert (await jobs.end(again))["status"] == "completed"
    ordinary, data = await home.read()
    assert data == media.large(20)
    facts = [(each.name, each.size, each.content_type, each.crc32c, each.filename) for each in (early, ordinary)]
    assert facts[0] == facts[1]
    metadata = [
        {name: text for name, text in each.metadata.items() if name != "download"} for each in (early, ordinary)
    ]
    assert metadata[0] == metadata[1]


async def test_switched_off_nothing_is_sent_before_all_is_here(home: Home, site: Site) -> None:
    with home.worker(upload_while_downloading="false"):
        async with jobs_in(home.redis) as jobs:
            job = await jobs.give(site.url(FILE))
            await jobs.until(job, lambda data: (data["downloaded_bytes"] or 0) >= HELD - 4 * MIB)
            await asyncio.to_thread(site.gate("g").wait_held)
            assert home.has_nothing()
            site.gate("g").open()
            assert (await jobs.end(job))["status"] == "completed"


@folder_only
async def test_a_file_that_can_be_kept_as_it_is_becomes_the_object(home: Home, site: Site, tmp_path: Path) -> None:
    with home.worker(worker_folder=f"{tmp_path}/work") as process:
        async with jobs_in(home.redis) as jobs:
            job = await jobs.give(site.url(FILE))
            await jobs.until(job, lambda data: (data["downloaded_bytes"] or 0) >= HELD - 4 * MIB)
            await asyncio.to_thread(site.gate("g").wait_held)
            assert home.has_nothing()
            (part,) = (tmp_path / "work").rglob("*.part")
            number = part.stat().st_ino
            site.gate("g").open()
            assert (await jobs.end(job))["status"] == "completed"
            await until(lambda: not process.left())
    stored, data = await home.read()
    assert data == media.large(20)
    assert (tmp_path / "bucket/objects" / f"{stored.name}#{stored.version}").stat().st_ino == number


async def test_a_resume_that_the_origin_ignored_gives_the_early_upload_up_at_once(home: Home, site: Site) -> None:
    with home.worker():
        async with jobs_in(home.redis) as jobs:
            download = await held(jobs, site, home, f"/large/g/clip.mp4?cut={HELD}&at={4 * MIB}")
            site.gate("g-cut").open()
            await asyncio.to_thread(site.gate("g").wait_held)
            await until(home.has_nothing)
            end = await download.end()
    assert (end["status"], end["attempt"]) == ("completed", 1)
    assert (await home.read())[1] == media.large(20, 1)
    assert home.under_way() == 0


@gcs_only
async def test_one_that_begins_anew_while_the_bucket_is_slow_is_given_up(home: Home, site: Site) -> None:
    """The bucket holds the reader meanwhile: what it then finds is not the file that grows."""
    assert home.gcs
    layer = home.gcs.layer
    gate = hold_chunk(home, CHUNKS)
    with home.worker() as process:
        async with jobs_in(home.redis) as jobs:
            job = await jobs.give(site.url(f"/large/g/clip.mp4?cut={HELD}&at={15 * MIB}"))
            assert await asyncio.to_thread(gate.reached.wait, 40)
            site.gate("g-cut").open()
            await asyncio.to_thread(site.gate("g").wait_held)
            gate.open()
            await until(lambda: layer.kinds().count("abort") == 1)
            site.gate("g").open()
            end = await jobs.end(job)
            assert process.logged("speculative upload discarded")
    assert (end["status"], end["attempt"]) == ("completed", 1)
    assert (await home.read())[1] == media.large(20, 1)
    assert (layer.kinds().count("begin"), layer.kinds().count("abort")) == (2, 1)


async def test_a_cancelled_download_leaves_nothing(home: Home, site: Site) -> None:
    with home.worker() as process:
        async with jobs_in(home.redis) as jobs:
            download = await held(jobs, site, home)
            await eventually(download.cancelled)
            await until(home.has_nothing, 5)
            await until(lambda: not process.left(), 5)


async def test_a_failed_download_leaves_nothing(home: Home, site: Site) -> None:
    with home.worker(stall_seconds="1.5", retries="0") as process:
        async with jobs_in(home.redis) as jobs:
            download = await held(jobs, site, home)
            end = await jobs.end(download.job)
            assert end["error"]["code"] == "stalled"
            await until(lambda: home.has_nothing() and not process.left(), 5)


async def test_a_download_that_is_too_large_is_not_begun_to_upload(home: Home, site: Site) -> None:
    with home.worker(max_bytes=str(SIZE - 1)):
        async with jobs_in(home.redis) as jobs:
            job = await jobs.give(site.url(FILE))
            assert (await jobs.end(job))["error"]["code"] == "too_large"
    assert home.has_nothing()
    assert not home.gcs or "begin" not in home.gcs.layer.kinds()


@gcs_only
@pytest.mark.parametrize(("kind", "status"), [("begin", 403), ("chunk", 403), ("chunk", 400)])
async def test_a_bucket_that_refuses_it_gets_the_whole_file(kind: str, status: int, home: Home, site: Site) -> None:
    assert home.gcs
    with home.worker() as process:
        home.gcs.layer.faults.add(kind, status=status)
        async with jobs_in(home.redis) as jobs:
            job = await jobs.give(site.url(FILE))
            await until(lambda: kind in home.gcs.layer.kinds(), 40)  # type: ignore[union-attr]
            await asyncio.to_thread(site.gate("g").wait_held)
            site.gate("g").open()
            end = await jobs.end(job)
            assert process.logged("speculative upload discarded")
    assert (end["status"], end["attempt"]) == ("completed", 1)
    assert (await home.read())[1] == media.large(20)


@gcs_only
async def test_another_who_made_the_object_meanwhile_is_found(home: Home, site: Site) -> None:
    assert home.gcs
    with home.worker():
        async with jobs_in(home.redis) as jobs:
            download = await held(jobs, site, home)
            (session,) = home.gcs.layer.sessions.values()
            path = home.folder / "other.mp4"
            path.write_bytes(media.read("clip.mp4"))
            with path.open("rb") as source:
                what = Upload(session.resource["name"], "video/mp4")
                await home.bucket().upload(what, source, media.CLIP_BYTES, lambda _: None)
            end = await download.end()
    assert (end["status"], end["result"]["reused"]) == ("completed", True)
    assert (await home.read())[1] == media.read("clip.mp4")


@gcs_only
async def test_while_it_uploads_the_bar_goes_on_from_what_was_sent(home: Home, site: Site) -> None:
    """Also where nothing moves just then."""
    gate = hold_chunk(home, 20)
    with home.worker():
        async with jobs_in(home.redis) as jobs:
            download = await held(jobs, site, home, least=9 * MIB)
            site.gate("g").open()
            shown = await jobs.until(download.job, lambda data: data["progress"] > 92)
            assert (shown["stage"], shown["eta"]) == ("uploading", None)
            assert 92 + 6 * 9 / 20 < shown["progress"] < 92 + 6 * 11 / 20
            gate.open()
            end = await jobs.end(download.job)
    assert end["status"] == "completed"
