"""What breaks within a worker: that download fails or is tried again, the others go on, and nothing is left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.children import children_of, processes
from support.origin.site import Site
from support.product import Product, wait_until
from support.watchers import Watcher
from system.reliability.programs import ffmpeg_that

pytestmark = pytest.mark.xdist_group("life-breakage")

RETRIES = 2
CRASHES = 'case "$*" in *libmp3lame*) kill -SEGV $$ ;; esac'
MP3 = {"quality": "audio", "container": "mp3"}
FULL = Path("/dev/full")
"""The kernel's own full disk: every write to it fails with ENOSPC, whoever writes."""
NO_ROOM = "This service has no disk space for the video at the moment."


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    home = tmp_path_factory.mktemp("breakage")
    # Without the sandbox, since that keeps downloads from /dev/full.
    settings = {"retries": str(RETRIES), "retry_delay": "0.2", "sandbox": "off"}
    with Product(home, settings, environment=ffmpeg_that(home / "bin", CRASHES)) as running:
        yield running


@pytest.fixture
def bystander(product: Product, site: Site) -> Iterator[str]:
    """A download that waits in the middle; whatever happens to the other one, this one completes."""
    job_id = product.post(site.url("/gated/bystander/clip.mp4"))
    product.until(job_id, lambda job: job["progress"] >= 35)
    worker = product.worker.pid
    yield job_id
    site.gate("bystander").open()
    assert product.watch(job_id).last["status"] == "completed"
    assert product.worker.pid == worker
    assert product.worker.process.poll() is None
    product.settle()


def check_untouched(product: Product, job_id: str) -> None:
    job = product.job(job_id)
    assert (job["status"], job["attempt"]) == ("processing", 1)


def check_failed(watched: Watcher, code: str, attempts: int) -> None:
    end = watched.last
    assert (end["status"], end["error"]["code"], end["attempt"]) == ("failed", code, attempts)
    assert (len(watched.ends), watched.close_code) == (1, 1000)


def check_completed_again(watched: Watcher) -> None:
    end = watched.last
    assert (end["status"], end["attempt"], end["retries"]) == ("completed", 2, 1)
    assert len(watched.ends) == 1


def child_of(product: Product, url: str) -> tuple[str, int]:
    """A job whose download waits in the middle, and the pid of its child."""
    before = product.children()
    job_id = product.post(url)
    product.until(job_id, lambda job: job["progress"] >= 35)
    (pid,) = product.children() - before
    return job_id, pid


def test_ffmpeg_crashes(product: Product, bystander: str, site: Site) -> None:
    watched = product.watch(product.post(site.url("/media/clip.mp4"), MP3))

    check_failed(watched, "conversion_failed", 1)
    check_untouched(product, bystander)


def test_yt_dlp_stumbles_over_what_a_site_sent(product: Product, bystander: str, origin: object, site: Site) -> None:
    root = site.base.partition("/u/")[0]
    watched = product.watch(product.post(f"{root}/Mediasite/Play/{site.token:0>32}?broken"))

    check_failed(watched, "extractor_outdated", 2)
    check_untouched(product, bystander)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_the_child_dies(number: signal.Signals, product: Product, bystander: str, site: Site) -> None:
    job_id, pid = child_of(product, site.url("/gated/g/clip.mp4"))
    os.kill(pid, number)
    site.gate("g").open()

    check_completed_again(product.watch(job_id))
    check_untouched(product, bystander)


def test_the_zygote_dies(product: Product, bystander: str, site: Site) -> None:
    """All children die with it; each download is tried again, by children of another one."""
    job_id, child = child_of(product, site.url("/gated/g/clip.mp4"))
    (zygote,) = children_of(product.worker.pid)
    os.kill(zygote, signal.SIGKILL)
    wait_until(lambda: not {zygote, child} & set(processes()), lambda: f"{zygote}, {child}")
    site.gate("g").open()

    check_completed_again(product.watch(job_id))
    waiting = product.until(bystander, lambda job: job["attempt"] == 2)
    assert waiting["retries"] == 1
    assert children_of(product.worker.pid) != {zygote}


def fill_disk(product: Product, site: Site, url: str, name: str) -> str:
    """A job whose download waits, and whose next file of that name finds the disk full."""
    before = set(product.worker.left())
    job_id = product.post(url)
    site.gate("g").wait_held()
    product.reached(job_id, "downloading")
    (folder,) = set(product.worker.left()) - before
    (folder / name).symlink_to(FULL)
    site.gate("g").open()
    return job_id


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/gated/g/clip.mp4?at=0", "media.mp4.part"),
        ("/gated-hls/g/audio/0/master.m3u8", "media.temp.mp4"),
    ],
)
def test_the_disk_is_full(path: str, name: str, product: Product, bystander: str, site: Site) -> None:
    """While it downloads, and while ffmpeg puts its streams together. Later there is room again."""
    job_id = fill_disk(product, site, site.url(path), name)
    waiting = product.until(job_id, lambda job: job["retries"] == 1)

    assert waiting["message"].startswith(NO_ROOM) or waiting["status"] == "processing"
    check_completed_again(product.watch(job_id))
    check_untouched(product, bystander)


def test_a_disk_that_stays_full_fails_the_job(site: Site, tmp_path: Path) -> None:
    with Product(tmp_path, {"retries": "0", "sandbox": "off"}) as product:
        job_id = fill_disk(product, site, site.url("/gated/g/clip.mp4?at=0"), "media.mp4.part")
        check_failed(product.watch(job_id), "disk_full", 1)
        after = product.watch(product.post(site.url("/media/clip.mp4"))).last
        assert after["status"] == "completed"
        product.settle()
