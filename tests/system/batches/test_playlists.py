"""A playlist becomes a batch: each of its videos one job, soon, whatever dies meanwhile."""

import time
from collections import Counter
from typing import Any

from support.origin.site import Site
from support.origin.wire import Reply, text
from support.product import Product

VIDEOS, BROKEN, REPEATED = 1000, 50, 100
SETTINGS = {"worker_slots": "1", "site_share": "1", "caller_share": "1", "lease": "1"}


def feed(paths: list[str]) -> Reply:
    items = "".join(f"<item><title>{path}</title><enclosure url='{path}' type='video/mp4'/></item>" for path in paths)
    return text(f'<?xml version="1.0"?><rss version="2.0"><channel><title>Piers</title>{items}</channel></rss>', "xml")


def paths() -> list[str]:
    """Of a thousand videos, of which some can't be a job's and some stand there twice. The first ones are held."""
    found = [f"gated/held/clip.mp4?n={number}" for number in range(VIDEOS)]
    for number in range(10, VIDEOS, VIDEOS // BROKEN):
        found[number] = "x" * 3000 + str(number)
    return found + found[:REPEATED]


def post(product: Product, url: str, **more: Any) -> str:
    answer = product.client.post("/api/batches", json={"playlist": url, **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def counts(product: Product, batch: str) -> dict[str, Any]:
    return dict(product.job(batch)["batch"]["counts"])


def children(product: Product, batch: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = None
    while True:
        page = product.client.get(
            "/api/jobs", params={"batch": batch, "limit": 100, **({"page_token": token} if token else {})}
        ).json()
        found += page["jobs"]
        if not (token := page["next_page_token"]):
            return found


def test_a_thousand_videos_are_queued_soon(product: Product, site: Site) -> None:
    """Each once, those included that can't be downloaded; and cancelled together."""
    product.start_worker(**SETTINGS)
    url = site.put("/feed", feed(paths()))
    begun = time.monotonic()
    batch = post(product, url)
    product.until(batch, lambda job: job["batch"]["counts"]["made"] > 0)
    first = time.monotonic() - begun
    job = product.until(batch, lambda job: job["batch"]["counts"]["made"] == VIDEOS)
    all_made = time.monotonic() - begun

    assert (first < 2, all_made < 20) == (True, True), (first, all_made)
    assert (job["title"], job["batch"]["counts"]["total"]) == ("Piers", VIDEOS)
    assert job["batch"]["counts"]["failed"] == BROKEN
    found = Counter(child["url"] for child in children(product, batch))
    assert (len(found), set(found.values())) == (VIDEOS, {1})
    product.cancel(batch)
    assert product.until(batch, lambda job: job["status"] == "cancelled")["batch"]["counts"]["queued"] == 0


def test_no_video_is_lost_or_twice_where_the_worker_dies_and_the_list_has_changed(product: Product, site: Site) -> None:
    """It dies as soon as there is a job; when the list is read again, a video has come first."""
    names = [f"gated/held/clip.mp4?n={number}" for number in range(500)]
    url = site.put("/feed", feed(names), feed(["gated/held/clip.mp4?n=new", *names]))
    product.start_worker(**SETTINGS)
    batch = post(product, url)
    product.until(batch, lambda job: job["batch"]["counts"]["made"] > 0)
    product.worker.kill()
    product.start_worker(**SETTINGS)
    job = product.until(batch, lambda job: job["batch"]["counts"]["total"] == job["batch"]["counts"]["made"])
    found = Counter(child["url"].rpartition("=")[2] for child in children(product, batch))

    assert set(found.values()) == {1}
    assert set(found) - {"new"} == {str(number) for number in range(500)}
    assert len(found) == job["batch"]["counts"]["made"]


def test_what_is_asked_for_of_a_playlist(product: Product, site: Site) -> None:
    product.start_worker(**SETTINGS)
    url = site.put("/feed", feed([f"gated/held/clip.mp4?n={number}" for number in range(1, 20)]))
    batch = post(product, url, items="2-3,9", limit=2)
    product.until(batch, lambda job: job["batch"]["counts"]["total"] == 2)

    assert sorted(child["url"].rpartition("=")[2] for child in children(product, batch)) == ["2", "3"]
    assert {child["parent"]["batch"] for child in children(product, batch)} == {batch}


def test_a_download_of_a_list_says_how_to_go_on(product: Product, site: Site) -> None:
    product.start_worker(**SETTINGS)
    job = product.post(site.put("/feed", feed(["a.mp4", "b.mp4", "c.mp4"])))
    error = product.until(job, lambda job: job["status"] == "failed")["error"]

    assert (error["code"], error["retryable"]) == ("playlist", False)
    assert "3 videos" in error["message"]
    assert "POST /api/batches" in error["message"]


def test_a_page_with_several_videos_warns_in_its_result(product: Product, site: Site) -> None:
    """Each time, also where the video is in the bucket."""
    product.start_worker(**SETTINGS)
    url = site.put("/page", text("<video src='media/clip.mp4'></video><video src='other/clip.mp4'></video>", "html"))
    for _ in range(2):
        result = product.until(product.post(url), lambda job: job["status"] == "completed")["result"]
        (warning,) = result["warnings"]
        assert (warning["code"], warning["videos"]) == ("several_videos", 2)
        assert warning["other_urls"] == [site.url("/other/clip.mp4")]
        assert "1 of 2 videos" in warning["message"]
    alone = product.until(product.post(site.url("/page") + "?src=/media/clip.mp4"), lambda job: job["stage"] == "done")
    assert alone["result"]["warnings"] == []
