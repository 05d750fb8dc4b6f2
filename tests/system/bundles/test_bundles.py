"""All workers switch to a newer yt-dlp while they download, leave a bad one by themselves, and lose nothing."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest

from support.bundles import IMAGE, NEWER, NEWEST, OLDER, Edit, Index, as_version, fail_at, move_a_part, package_index
from support.jobs import redis_client
from support.origin.server import Origin
from support.origin.site import Site
from support.product import Product, wait_until
from support.records import of
from support.services import Worker
from vidferry_common.contract import keys

pytestmark = [pytest.mark.bundles, pytest.mark.timeout(900)]
DOWNLOADS, WORKERS = 20, 3
SWITCH_SECONDS = 60
"""on a machine that has its processors for this; loading yt-dlp is work for them"""
LOOK_SECONDS = 300.0
"""for what takes seconds on such a machine: a look with its trial, a switch, a rollback"""
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
"""each is a site of its own"""
CALLERS = ("198.51.100.7", "198.51.100.8")
BAD, WORSE = NEWER, "2099.1.3"
"""releases that pass the trial, and can't download from HOSTS"""
BROKEN = NEWER
"""one that a patch doesn't fit"""
ENDED = {"completed", "failed"}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with package_index(tmp_path / "index") as served:
        yield served


@pytest.fixture
def sites() -> Iterator[list[Site]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Origin(host=host)).site() for host in HOSTS]


class Fleet:
    """Vidferry whose workers look for a newer yt-dlp when a test says so."""

    def __init__(self, product: Product, index: Index, site: Site) -> None:
        self.product, self._index, self._site, self._numbers = product, index, site, count()

    @classmethod
    @contextmanager
    def started(cls, home: Path, index: Index, site: Site, *workers: dict[str, str]) -> Iterator[Self]:
        """Its first look has ended: the index is away then."""
        index.is_down = True
        with Product(home, *workers, environment={"PIP_INDEX_URL": index.url}) as product:
            fleet = cls(product, index, site)
            fleet.logged("the look for a newer yt-dlp failed")
            index.is_down = False
            yield fleet

    def logged(self, message: str, number: int = 1, **fields: object) -> dict[str, Any]:
        """The last of so many entries of all workers, once they are there."""

        def found() -> list[dict[str, Any]]:
            return [entry for worker in self.product.workers for entry in worker.logged(message, **fields)]

        wait_until(lambda: len(found()) >= number, lambda: f"not logged: {message} {fields}", LOOK_SECONDS)
        return max(found(), key=time_of)

    def offer(self, release: str, edits: dict[str, Edit] | None = None) -> None:
        """Has the index serve a release."""
        self._index.add_release(release, {"yt_dlp/version.py": as_version(release), **(edits or {})})

    def look(self) -> None:
        """Has the leader look now, as where the interval has passed."""

        async def make_due() -> bool:
            async with redis_client(self.product.redis) as redis:
                return bool(await of(redis.hdel(keys.BUNDLE_LOOKS, "looked")))

        wait_until(lambda: asyncio.run(make_due()), lambda: "the last look doesn't end", LOOK_SECONDS)

    def wait_until_all_run(self, *versions: str) -> None:
        """Until all workers have switched to these versions, one after the other, and tell so."""
        workers = self.product.workers
        wait_until(
            lambda: all(switches(worker) == list(versions) for worker in workers),
            lambda: f"switched to {[switches(worker) for worker in workers]}, not to {versions}",
            LOOK_SECONDS,
        )
        wait_until(lambda: self.told_versions() == {versions[-1]: len(workers)}, lambda: str(self.told_versions()))
        assert self.failing_version() == versions[-1]

    def told(self) -> dict[str, Any]:
        return dict(self.product.client.get("/api/version").json())

    def told_versions(self) -> dict[str, int]:
        return {each["yt_dlp"]: each["count"] for each in self.told()["workers"]}

    def failing_version(self) -> str:
        """The version that a worker names of the yt-dlp in a download that fails."""
        job = self.product.post(self._site.url(f"/status/404?{next(self._numbers)}"))
        wait_until(lambda: self.product.job(job)["status"] == "failed")
        (entry,) = [
            entry
            for worker in self.product.workers
            for entry in worker.logged("attempt failed")
            if job in entry["job_ids"]
        ]
        return str(entry["yt_dlp_version"])

    def download(self, sites: list[Site]) -> list[dict[str, Any]]:
        """Each of CALLERS downloads from each of these sites: the jobs, once they have ended."""
        jobs = [
            self.product.post(site.url(f"/media/clip.mp4?{next(self._numbers)}"), caller=caller)
            for site in sites
            for caller in CALLERS
        ]
        return [self.product.until(job, lambda told: told["status"] in ENDED) for job in jobs]

    def download_well(self, sites: list[Site]) -> None:
        assert {job["status"] for job in self.download(sites)} == {"completed"}

    def download_badly(self, sites: list[Site]) -> None:
        """Some are tried again on the version before."""
        jobs = self.download(sites)
        assert {job["error"]["code"] for job in jobs if job["status"] == "failed"} <= {"extractor_outdated"}


def switches(worker: Worker) -> list[str]:
    """The versions that a worker has switched to."""
    return [entry["yt_dlp"] for entry in worker.logged("new downloads run on another yt-dlp")]


def switch_seconds() -> float:
    """SWITCH_SECONDS, and more where others use the machine too."""
    return SWITCH_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def time_of(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["timestamp"]).timestamp()


def test_a_bad_one_is_left_and_twenty_downloads_are_not_lost(
    index: Index, site: Site, sites: list[Site], tmp_path: Path
) -> None:
    settings = {"worker_slots": "9", "ytdlp": "stable", "stall_seconds": "900", "min_rate": "0"}
    with Fleet.started(tmp_path, index, site, *[settings] * WORKERS) as fleet:
        product = fleet.product
        running = [product.post(site.url(f"/gated/held/clip.mp4?{number}")) for number in range(DOWNLOADS)]
        site.gate("held").wait_held(DOWNLOADS, LOOK_SECONDS)
        fleet.download_well([site, *sites])

        fleet.offer(BAD, {"yt_dlp/extractor/generic.py": fail_at(*HOSTS)})
        fleet.look()
        published = fleet.logged("a newer yt-dlp was published", yt_dlp=BAD)
        fleet.wait_until_all_run(BAD)
        last = fleet.logged("new downloads run on another yt-dlp", WORKERS)
        assert time_of(last) - time_of(published) < switch_seconds()

        fleet.download_well([site])
        fleet.download_badly(sites)
        assert fleet.logged("a bundle was taken back")["sites"] == list(HOSTS)
        fleet.wait_until_all_run(BAD, IMAGE)
        assert (fleet.told()["held"], fleet.told()["bundle"]) == ([BAD], None)
        fleet.download_well(sites)
        fleet.look()
        fleet.logged("a newer yt-dlp is held", yt_dlp=BAD)

        fleet.offer(NEWEST)
        fleet.look()
        fleet.wait_until_all_run(BAD, IMAGE, NEWEST)
        site.gate("held").wait_held(DOWNLOADS, LOOK_SECONDS)
        site.gate("held").open()
        wait_until(lambda: all(product.job(job)["status"] == "completed" for job in running), seconds=LOOK_SECONDS)
        assert {product.job(job)["attempt"] for job in running} == {1}
        assert not any(worker.logged("attempt lost its lease to another attempt") for worker in product.workers)
        fleet.download_well(sites)

        fleet.offer(WORSE, {"yt_dlp/extractor/generic.py": fail_at(*HOSTS)})
        fleet.look()
        fleet.wait_until_all_run(BAD, IMAGE, NEWEST, WORSE)
        fleet.download_badly(sites)
        fleet.wait_until_all_run(BAD, IMAGE, NEWEST, WORSE, NEWEST)
        assert sorted(fleet.told()["held"]) == [BAD, WORSE]
        assert fleet.told()["bundle"]["yt_dlp"] == NEWEST
        fleet.download_well(sites)
        homes = product.worker.folder
        wait_until(lambda: len(list(homes.glob("*/bundle-*"))) == WORKERS, lambda: str(list(homes.glob("*/*"))))


def test_what_the_operator_wants(index: Index, site: Site, tmp_path: Path) -> None:
    """An older version, then the newest one, of which one does not fit Vidferry, then a held one."""
    with Fleet.started(tmp_path, index, site, {"ytdlp": OLDER}) as fleet:
        fleet.offer(OLDER)
        fleet.offer(BROKEN, {"yt_dlp/downloader/dash.py": move_a_part})
        fleet.look()
        fleet.wait_until_all_run(OLDER)

        replace_worker(fleet.product, ytdlp="stable")
        fleet.look()
        refused = fleet.logged("a newer yt-dlp is refused", yt_dlp=BROKEN)
        assert "patches don't apply" in refused["problem"]
        wait_until(lambda: fleet.told()["held"] == [BROKEN])
        assert fleet.failing_version() == IMAGE
        fleet.offer(NEWEST)
        fleet.look()
        fleet.wait_until_all_run(NEWEST)
        assert fleet.told()["bundle"]["previous"] == IMAGE

        replace_worker(fleet.product, ytdlp="stable", ytdlp_hold=NEWEST)
        fleet.look()
        fleet.logged("a newer yt-dlp is held", yt_dlp=NEWEST)
        assert switches(fleet.product.worker) == []
        assert fleet.failing_version() == IMAGE
        assert sorted(fleet.told()["held"]) == [BROKEN, NEWEST]


def replace_worker(product: Product, **settings: str) -> None:
    """Stops the only worker, and starts another one in its place."""
    product.workers.pop().stop()
    product.start_worker(**settings)
