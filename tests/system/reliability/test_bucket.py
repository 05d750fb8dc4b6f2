"""What a bucket does to uploads: they go on, and what was downloaded is not downloaded again."""

import asyncio
from collections.abc import Iterator

import httpx2
import pytest

from support.gcs import Gcs, gcs_service
from support.origin.media import CLIP_BYTES
from support.origin.site import Site
from support.product import Product, wait_until
from support.watchers import Watcher
from vidferry_common.contract import keys
from vidferry_common.store import RedisSettings, connect_redis

pytestmark = pytest.mark.xdist_group("life-bucket")

UPLOADING = ("begin", "chunk", "last", "query")
MANY = 1_000_000
LEASE = 2.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    with gcs_service(tmp_path_factory.mktemp("gcs")) as running:
        yield running


@pytest.fixture(scope="module")
def product(service: Gcs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    settings = {"gcs_patience": "0.5", "retries": "2", "retry_delay": "0.2", "lease": str(LEASE)}
    with Product(tmp_path_factory.mktemp("bucket"), settings, environment=service.environment()) as running:
        yield running


@pytest.fixture
def gcs(service: Gcs) -> Iterator[Gcs]:
    """Without faults before and after."""
    service.layer.forget()
    yield service
    service.layer.forget()


def check_stored(watched: Watcher, site: Site) -> None:
    """The first attempt's upload is what is behind the link, and the site was asked for one download."""
    end = watched.last
    assert (end["status"], end["attempt"], end["retries"]) == ("completed", 1, 0)
    assert len(watched.ends) == 1
    assert len(httpx2.get(end["result"]["url"], timeout=20).content) == CLIP_BYTES
    check_downloaded_once(site)


def check_downloaded_once(site: Site) -> None:
    probe, download = site.settled("/media/clip.mp4")
    assert (probe.closed_early, download.sent) == (True, CLIP_BYTES)


def test_an_upload_that_breaks_in_the_middle_goes_on_from_there(product: Product, gcs: Gcs, site: Site) -> None:
    gcs.layer.faults.add("last", status=503, keep=CLIP_BYTES // 2 // 4 * 4)
    check_stored(product.watch(product.post(site.url("/media/clip.mp4"))), site)

    kinds = gcs.layer.kinds()
    assert (kinds.count("begin"), kinds.count("last")) == (1, 2)
    assert gcs.layer.received == CLIP_BYTES + CLIP_BYTES // 2, "half of it was kept"


def test_a_bucket_that_is_away_for_longer_gets_the_file_that_is_here(product: Product, gcs: Gcs, site: Site) -> None:
    """Longer than its own patience, which is half a second here."""
    gcs.layer.faults.add(*UPLOADING, status=503, times=MANY)
    watcher = product.follow(product.post(site.url("/media/clip.mp4")))
    watcher.until(lambda data: data["message"].startswith("The bucket can't be reached."))
    gcs.layer.faults.clear()
    check_stored(watcher.closed(), site)


def test_a_bucket_that_stays_away_fails_the_job(product: Product, gcs: Gcs, site: Site) -> None:
    gcs.layer.faults.add(*UPLOADING, status=503, times=MANY)
    end = product.watch(product.post(site.url("/media/clip.mp4"))).last

    assert (end["status"], end["error"]["code"], end["attempt"]) == ("failed", "storage_unavailable", 1)
    check_downloaded_once(site)
    product.settle()


@pytest.mark.parametrize("kinds", [("begin",), ("last",)])
def test_a_refusal_is_the_jobs_failure(kinds: tuple[str, ...], product: Product, gcs: Gcs, site: Site) -> None:
    gcs.layer.faults.add(*kinds, status=403, times=MANY)
    before = gcs.names()
    watched = product.watch(product.post(site.url("/media/clip.mp4")))

    end = watched.last
    assert (end["status"], end["error"]["code"], end["attempt"]) == ("failed", "storage_denied", 1)
    assert (end["error"]["retryable"], len(watched.ends)) == (False, 1)
    check_downloaded_once(site)
    assert gcs.names() == before
    [entry] = product.worker.wait_for("attempt failed", code="storage_denied", job_ids=[end["job_id"]])
    assert (entry["level"], "exception" in entry) == ("warning", False)
    assert entry["detail"].startswith("StorageDenied: ")
    assert len(entry["detail"]) < 1001
    product.settle()


def test_while_it_refuses_no_job_is_taken(product: Product, gcs: Gcs, site: Site) -> None:
    """One finds it out, and fails; the next waits for a bucket that takes it."""
    assert product.watch(product.post(site.url("/mutable/before/clip.mp4"))).last["status"] == "completed"
    gcs.layer.faults.add("begin", status=403, times=MANY)
    assert product.watch(product.post(site.url("/media/clip.mp4"))).last["error"]["code"] == "storage_denied"
    asked = gcs.layer.kinds().count("list")
    waiting = product.post(site.url("/other/clip.mp4"))
    wait_until(lambda: gcs.layer.kinds().count("list") > asked, lambda: "the worker does not ask whether it still does")
    assert product.job(waiting)["status"] == "queued"

    gcs.layer.faults.clear()
    assert product.watch(waiting).last["status"] == "completed"


def test_a_bucket_that_is_away_before_the_download_is_asked_again(product: Product, gcs: Gcs, site: Site) -> None:
    gcs.layer.faults.add("read", status=503, times=MANY)
    job_id = product.post(site.url("/media/clip.mp4"))
    waiting = product.until(job_id, lambda job: job["retry_at"] is not None)
    gcs.layer.faults.clear()
    end = product.watch(job_id).last

    assert waiting["message"].startswith("The bucket can't be reached.")
    assert (end["status"], end["retries"]) == ("completed", end["attempt"] - 1)


def test_a_slow_bucket_is_waited_for(product: Product, gcs: Gcs, site: Site) -> None:
    """The lease is kept meanwhile."""
    gate = gcs.layer.faults.hold("last")
    job_id = product.post(site.url("/media/clip.mp4"))
    assert gate.reached.wait(60)
    lease = asyncio.run(lease_ends(product))
    wait_until(lambda: asyncio.run(lease_ends(product)) > lease + LEASE * 1000, lambda: "the lease was not renewed")
    assert product.job(job_id)["stage"] == "uploading"
    gate.open()
    check_stored(product.watch(job_id), site)


async def lease_ends(product: Product) -> float:
    """When the one lease ends (ms)."""
    client = connect_redis(RedisSettings.model_validate({"redis_url": product.redis.url}))
    try:
        ((_, score),) = await client.zrange(keys.LEASES, 0, -1, withscores=True)
        return float(score)
    finally:
        await client.aclose(close_connection_pool=True)
