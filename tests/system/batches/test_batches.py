"""A thousand URLs at once, as a caller sees them."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.answers import accepted
from support.origin.site import Site
from support.product import Product

pytestmark = pytest.mark.xdist_group("batches")

FIRST_SECONDS, ALL_SECONDS = 5, 40
"""after the POST: when the first child waits, and when all do, killed workers included, but not the start of another"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("batches"), {}, {}) as running:
        yield running


def post(product: Product, urls: list[str]) -> dict[str, Any]:
    return accepted(product.client.post("/api/batches", json={"urls": urls, "priority": "interactive"}))


def children(product: Product, batch_id: str) -> list[dict[str, Any]]:
    found, token = [], ""
    while True:
        query = {"batch": batch_id, "page_size": "200", "page_token": token}
        page = product.client.get("/api/jobs", params=query).json()
        found += page["jobs"]
        token = page["next_page_token"]
        if not token:
            return found


def test_videos_of_which_one_fails(product: Product, site: Site) -> None:
    video = site.url("/media/clip.mp4")
    batch = post(product, [video, "not a URL", video, site.url("/media/clip.mp4?other=1")])
    watcher = product.watch(batch["job_id"])

    told = product.job(batch["job_id"])
    assert watcher.last["batch"] == told["batch"]
    assert (told["status"], told["batch"]["counts"]["completed"], told["batch"]["counts"]["failed"]) == (
        "completed",
        3,
        1,
    )
    found = children(product, batch["job_id"])
    assert [child["parent"]["index"] for child in found] == [1, 2, 3, 4]
    assert [child["status"] for child in found] == ["completed", "failed", "completed", "completed"]
    assert told["batch"]["size"] == sum(child["result"]["size"] for child in found if "result" in child)
    assert watcher.ends == [watcher.last]

    again = accepted(product.client.post(f"{batch['status_url']}/retry"))
    assert (again["retry_of"], again["batch"]["counts"]["total"]) == (batch["job_id"], 1)
    retried = product.watch(again["job_id"]).last
    assert (retried["status"], retried["error"]["code"]) == ("failed", "invalid_url")
    (child,) = children(product, again["job_id"])
    assert child["retry_of"] == found[1]["job_id"]


def test_a_thousand_whose_workers_are_killed_and_that_are_cancelled(product: Product, site: Site) -> None:
    """The site answers none of them; fifty are bad, and most of the others are there twice."""
    urls = [site.url(f"/hang?{index % 475}") for index in range(1000)]
    urls[::20] = [f"bad {index}" for index in range(50)]
    batch = post(product, urls)
    began = time.monotonic()

    product.until(batch["job_id"], lambda job: job["batch"]["counts"]["made"] >= 1)
    assert time.monotonic() - began < FIRST_SECONDS
    for worker in product.workers:
        worker.kill()
    killed = time.monotonic()
    product.start_worker()
    began += time.monotonic() - killed
    product.until(batch["job_id"], lambda job: job["batch"]["counts"]["made"] == len(urls))
    assert time.monotonic() - began < ALL_SECONDS

    found = children(product, batch["job_id"])
    assert [child["parent"]["index"] for child in found] == list(range(1, len(urls) + 1))
    assert Counter(child["url"] for child in found) == Counter(urls)
    assert sum(child["status"] == "failed" for child in found) == 50

    product.cancel(batch["job_id"])
    told = product.job(batch["job_id"])
    assert told["status"] == "cancelled"
    assert {child["status"] for child in children(product, batch["job_id"])} == {"failed", "cancelled"}
    assert told["batch"]["counts"]["cancelled"] == len(urls) - 50
    product.rest()
