"""A playlist becomes a batch: each of its videos one job, soon, whatever dies meanwhile."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.answers import accepted
from support.origin.site import Site
from support.origin.wire import Reply, text
from support.product import Product, wait_until

VIDEOS, BROKEN, REPEATED = 1000, 50, 100
FIRST_SECONDS, ALL_SECONDS = 5, 40
"""after the POST: when the first job waits, and when all do. With the machine for itself it takes a fifth of that."""
SETTINGS = {"site_share": "1", "caller_share": "1", "lease": "1"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("playlists"), SETTINGS) as running:
        yield running


def feed(paths: list[str]) -> Reply:
    items = "".join(f"<item><title>{path}</title><enclosure url='{path}' type='video/mp4'/></item>" for path in paths)
    return text(f'<?xml version="1.0"?><rss version="2.0"><channel><title>Piers</title>{items}</channel></rss>', "xml")


def paths() -> list[str]:
    """Of a thousand videos, of which some can't be a job's and some stand there twice. The first ones are held."""
    found = names(VIDEOS)
    for number in range(10, VIDEOS, VIDEOS // BROKEN):
        found[number] = "x" * 3000 + str(number)
    return found + found[:REPEATED]


def names(count: int) -> list[str]:
    return [f"gated/held/clip.mp4?n={number}" for number in range(count)]


def post(product: Product, url: str, **more: Any) -> str:
    return str(accepted(product.client.post("/api/batches", json={"playlist": url, **more}))["job_id"])


def children(product: Product, batch: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        query = {"batch": batch, "page_size": "200", "page_token": token}
        page = product.client.get("/api/jobs", params=query).json()
        found += page["jobs"]
        token = page["next_page_token"]
        if not token:
            return found


def test_a_thousand_videos_are_queued_soon(product: Product, site: Site) -> None:
    """Each once, those included that can't be downloaded; and cancelled together."""
    url = site.put("/feed", feed(paths()))
    begun = time.monotonic()
    batch = post(product, url)
    product.until(batch, lambda job: job["batch"]["counts"]["made"] > 0)
    first = time.monotonic() - begun
    job = product.until(batch, lambda job: job["batch"]["counts"]["total"] == VIDEOS == job["batch"]["counts"]["made"])
    all_made = time.monotonic() - begun

    assert (first < FIRST_SECONDS, all_made < ALL_SECONDS) == (True, True), (first, all_made)
    assert (job["title"], job["batch"]["counts"]["failed"], job["batch"]["warnings"]) == ("Piers", BROKEN, [])
    found = Counter(child["url"] for child in children(product, batch))
    assert (len(found), set(found.values())) == (VIDEOS, {1})
    product.cancel(batch)
    assert product.until(batch, lambda job: job["status"] == "cancelled")["batch"]["counts"]["queued"] == 0


def test_cancelled_while_the_list_is_read_nothing_goes_on(product: Product, site: Site) -> None:
    """The site has not sent the list yet. Its child ends, and no job appears, though the list comes after all."""
    held = feed(names(9))
    held.body.gate, held.body.gate_at = site.gate("list"), 50
    batch = post(product, site.put("/feed", held))
    site.gate("list").wait_held()
    product.cancel(batch)
    assert product.job(batch)["status"] == "cancelled"
    product.rest()
    wait_until(lambda: not product.children())
    site.gate("list").open()
    assert children(product, batch) == []
    assert {one.path for one in site.requests()} == {"/feed"}


def test_cancelled_while_jobs_are_made_nothing_goes_on(product: Product, site: Site) -> None:
    url = site.put("/feed", feed(names(VIDEOS)))
    batch = post(product, url)
    product.until(batch, lambda job: job["batch"]["counts"]["made"] >= 20)
    product.cancel(batch)
    job = product.job(batch)
    assert (job["status"], job["batch"]["counts"]["made"] < VIDEOS) == ("cancelled", True)
    product.rest()
    wait_until(lambda: not product.children())
    found = children(product, batch)
    assert len(found) == job["batch"]["counts"]["made"] == job["batch"]["counts"]["cancelled"]
    assert {child["status"] for child in found} == {"cancelled"}


def test_what_is_asked_for_of_a_playlist(product: Product, site: Site) -> None:
    url = site.put("/feed", feed(names(20)[1:]))
    batch = post(product, url, items="2-3,9", limit=2)
    product.until(batch, lambda job: job["batch"]["counts"]["total"] == 2)

    assert sorted(child["url"].rpartition("=")[2] for child in children(product, batch)) == ["2", "3"]
    assert {child["parent"]["batch"] for child in children(product, batch)} == {batch}
    product.cancel(batch)


def test_a_download_of_a_list_says_how_to_go_on(product: Product, site: Site) -> None:
    job = product.post(site.put("/feed", feed(["a.mp4", "b.mp4", "c.mp4"])))
    error = product.until(job, lambda job: job["status"] == "failed")["error"]

    assert (error["code"], error["retryable"]) == ("playlist", False)
    assert "3 videos" in error["message"]
    assert "POST /api/batches" in error["message"]


def test_a_page_with_several_videos_warns_in_its_result(product: Product, site: Site) -> None:
    """Each time, also where the video is in the bucket."""
    url = site.put("/page", text("<video src='media/clip.mp4'></video><video src='other/clip.mp4'></video>", "html"))
    for _ in range(2):
        result = product.until(product.post(url), lambda job: job["status"] == "completed")["result"]
        (warning,) = result["warnings"]
        assert (warning["code"], warning["videos"]) == ("several_videos", 2)
        assert warning["other_urls"] == [site.url("/other/clip.mp4")]
        assert "1 of 2 videos" in warning["message"]
    alone = product.until(product.post(site.url("/other/clip.mp4")), lambda job: job["stage"] == "done")
    assert alone["result"]["warnings"] == []


def test_no_video_is_lost_or_twice_where_the_worker_dies_and_the_list_has_changed(product: Product, site: Site) -> None:
    """It dies as soon as there is a job; when the list is read again, a video has come first."""
    url = site.put("/feed", feed(names(500)), feed(["gated/held/clip.mp4?n=new", *names(500)]))
    batch = post(product, url)
    product.until(batch, lambda job: job["batch"]["counts"]["made"] > 0)
    product.worker.kill()
    product.start_worker(**SETTINGS)
    job = product.until(batch, lambda job: job["batch"]["counts"]["total"] == job["batch"]["counts"]["made"])
    found = Counter(child["url"].rpartition("=")[2] for child in children(product, batch))

    assert set(found.values()) == {1}
    assert set(found) - {"new"} == {str(number) for number in range(500)}
    assert len(found) == job["batch"]["counts"]["made"]
    product.cancel(batch)
