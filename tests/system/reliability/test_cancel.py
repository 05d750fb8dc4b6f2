"""`DELETE /api/jobs/{id}` at any stage: the job ends at once, for good, and nothing of it stays."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.children import program
from support.gcs import Gcs, gcs_service
from support.origin.site import Site
from support.product import Product, gone, wait_until
from system.reliability.programs import ffmpeg_that

pytestmark = pytest.mark.xdist_group("life-cancel")

PROMISE = 1.0
"""seconds from the request to the last message, and to the end of processes and files"""
SLOT_FREE = 2.0
LOADED = 5
"""Both take below 0.1 s, also on a busy machine. What is measured is wall time, though, and other tests run beside."""
SLOW = 'case "$*" in *file:*) set -- -readrate 0.001 "$@" ;; esac'
"""A real ffmpeg that reads a thousand times slower than a viewer would: it is always found running."""

Stage = Callable[[Product, Site], str]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    home = tmp_path_factory.mktemp("cancel")
    settings = {"worker_slots": "3", "site_limit": "2", "retry_delay": "3600"}
    with Product(home, settings, environment=ffmpeg_that(home / "bin", SLOW)) as running:
        yield running


def held(product: Product, site: Site, name: str, host: str = "127.0.0.1") -> str:
    """A job whose download waits in the middle."""
    job_id = product.post(site.url(f"/gated/{name}/clip.mp4").replace("127.0.0.1", host))
    product.reached(job_id, "downloading")
    return job_id


def queued(product: Product, site: Site) -> str:
    """Every slot is taken: two at one site, one at another."""
    for name, host in (("a", "127.0.0.1"), ("b", "127.0.0.1"), ("c", "localhost")):
        held(product, site, name, host)
    return product.post(site.url("/media/clip.mp4").replace("127.0.0.1", "localhost"))


def parked(product: Product, site: Site) -> str:
    """There is a slot, but the site is full: one of another site that came later is taken first."""
    held(product, site, "a"), held(product, site, "b")
    job_id = product.post(site.url("/media/clip.mp4"))
    held(product, site, "c", "localhost")
    return job_id


def delayed(product: Product, site: Site) -> str:
    job_id = product.post(site.url("/status/503"))
    product.until(job_id, lambda job: job["retry_at"] is not None)
    return job_id


def extracting(product: Product, site: Site) -> str:
    job_id = product.post(site.url("/hang"))
    site.gate("hang").wait_held()
    return job_id


def downloading(product: Product, site: Site) -> str:
    job_id = product.post(site.url("/gated/g/clip.mp4"))
    product.until(job_id, lambda job: job["progress"] >= 35)
    return job_id


def ffmpeg_runs(product: Product) -> bool:
    return any("readrate" in program(pid) for pid in product.children())


def merging(product: Product, site: Site) -> str:
    job_id = product.post(site.url("/hls/master.m3u8"))
    wait_until(lambda: ffmpeg_runs(product), lambda: "no ffmpeg")
    return job_id


def converting(product: Product, site: Site) -> str:
    job_id = product.post(site.url("/media/clip.mp4"), {"quality": "audio", "container": "mp3"})
    wait_until(lambda: ffmpeg_runs(product), lambda: "no ffmpeg")
    return job_id


def cancelled(product: Product, job_id: str) -> float:
    """Cancels it, and looks at what its watcher is told; when that was begun."""
    seen = product.follow(job_id)
    begun = time.monotonic()
    product.cancel(job_id)
    seen.closed()
    assert time.monotonic() - begun < PROMISE * LOADED
    assert [each["status"] for each in seen.ends] == ["cancelled"]
    assert seen.close_code == 1000
    return begun


def check_gone(product: Product, pids: set[int], begun: float) -> None:
    """Processes and files, within the promised time."""
    left = begun + PROMISE * LOADED - time.monotonic()
    wait_until(lambda: gone(pids) and not files(product), lambda: f"{pids}, {files(product)}", left)


def files(product: Product) -> list[Path]:
    return [path for worker in product.workers for path in worker.left()]


def check_over(product: Product, job_id: str) -> None:
    """Later, when the attempt has ended too: the job has not changed, and its video can't be seen."""
    product.settle()
    seen = product.watch(job_id)
    assert [each["status"] for each in seen.ends] == ["cancelled"]
    assert seen.last["seq"] == product.job(job_id)["seq"]
    assert product.job(job_id)["status"] == "cancelled"


@pytest.mark.parametrize("stage", [delayed, extracting, downloading, merging, converting])
def test_it_ends_at_once_and_for_good(stage: Stage, product: Product, site: Site) -> None:
    before = product.videos()
    job_id = stage(product, site)
    pids = product.children()
    assert pids or stage is delayed
    check_gone(product, pids, cancelled(product, job_id))
    check_over(product, job_id)
    assert product.videos() == before


@pytest.mark.parametrize("stage", [queued, parked])
def test_one_that_waits_is_never_begun(stage: Stage, product: Product, site: Site) -> None:
    job_id = stage(product, site)
    assert product.job(job_id)["status"] == "queued"
    cancelled(product, job_id)
    for name in "abc":
        site.gate(name).open()
    check_over(product, job_id)
    assert not site.requests("/media/clip.mp4")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nothing can be made visible in a folder that is a bucket: somebody else holds its locks."""
    with ExitStack() as stack:
        for number in range(256):
            lock = os.open(folder / "locks" / f"{number:02x}", os.O_RDWR | os.O_CREAT, 0o640)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_an_upload_into_a_held_folder(product: Product, site: Site) -> None:
    before, generations = product.videos(), last_generations(product)
    with locked(product.home / "bucket"):
        job_id = product.post(site.url("/media/clip.mp4"))
        product.reached(job_id, "uploading")
        assert not product.children(), "they end before their file is given to the folder"
        check_gone(product, set(), cancelled(product, job_id))
    check_over(product, job_id)
    assert product.videos() == before
    assert last_generations(product) == generations, "it was never visible, not even for a moment"


def last_generations(product: Product) -> set[bytes]:
    """What the folder's locks remember of all that was ever made visible."""
    return {path.read_bytes() for path in (product.home / "bucket" / "locks").iterdir()} - {b""}


def test_a_frozen_worker_learns_it_when_it_wakes(product: Product, site: Site) -> None:
    before = product.videos()
    job_id = downloading(product, site)
    pids = product.children()
    product.worker.signal(signal.SIGSTOP)
    try:
        cancelled(product, job_id)
        # Nobody takes up what is not wanted, and what has not been begun is not begun.
        later = product.post(site.url("/media/clip.mp4"))
        cancelled(product, later)
        assert not gone(pids)
        site.gate("g").open()
    finally:
        begun = time.monotonic()
        product.worker.signal(signal.SIGCONT)
    check_gone(product, pids, begun)
    for each in (job_id, later):
        check_over(product, each)
    assert product.videos() == before


@pytest.fixture(scope="module")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    with gcs_service(tmp_path_factory.mktemp("gcs")) as service:
        yield service


def test_an_upload_to_a_bucket_that_does_not_answer(gcs: Gcs, site: Site, tmp_path: Path) -> None:
    """Its slot is free before the bucket answers, or the request times out."""
    with Product(tmp_path, {"worker_slots": "1"}, environment=gcs.environment()) as product:
        gate = gcs.layer.faults.hold("begin")
        job_id = product.post(site.url("/media/clip.mp4"))
        assert gate.reached.wait(60)
        waiting = product.post(site.url("/media/clip.webm"))
        begun = cancelled(product, job_id)
        check_gone(product, set(), begun)
        product.until(waiting, lambda job: job["attempt"] == 1)
        assert time.monotonic() - begun < SLOT_FREE * LOADED
        product.cancel(waiting)
        gate.open()  # the bucket would take it now
        wait_until(lambda: "abort" in gcs.layer.kinds(), lambda: f"{gcs.layer.kinds()}")
        check_over(product, job_id)
        assert gcs.names() == []
