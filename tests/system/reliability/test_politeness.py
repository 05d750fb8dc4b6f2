"""A site that wants fewer requests is left alone by all workers, across a restart, and holds up no other site."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from support.jobs import redis_client
from support.origin.site import Site
from support.origin.wire import Reply
from support.pauses import pass_time
from support.product import Product
from support.records import Records
from vidferry_common.store import Store

SETTINGS = {"worker_slots": "2", "retries": "0", "stall_seconds": "600", "min_rate": "0", "site_share": "1",
            "caller_share": "1"}  # fmt: skip
"""what waits at a gate keeps its slot, however busy the machine is"""
WORKERS = 3
ASKED = 600


@pytest.fixture
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("polite")) as running:
        yield running


def is_held(job: dict[str, Any]) -> bool:
    return job["status"] == "queued" and job["retry_at"] is not None


def end_pause(product: Product) -> None:
    async def end() -> None:
        async with redis_client(product.redis) as client:
            await pass_time(Records(Store(client, 60), client))

    asyncio.run(end())


def run_elsewhere(product: Product, site: Site, path: str) -> None:
    """A download of another site goes through at once."""
    url = site.url(path).replace("127.0.0.1", "localhost")
    assert product.watch(product.post(url)).last["status"] == "completed"


def test_a_site_that_asks_for_fewer_requests_gets_none_until_it_answers_again(product: Product, site: Site) -> None:
    limited = site.put("/limited.mp4", Reply(429, {"Retry-After": str(ASKED)}))
    paths = ["/gated/trial/clip.mp4", "/media/clip.mp4?number=2", "/media/clip.mp4?number=3"]
    with product.crew():
        for _ in range(WORKERS):
            product.start_worker(**SETTINGS)
        refused = product.post(limited)
        told = product.until(refused, is_held)
        time = told["retry_at"][11:16]
        assert told["message"] == f"127.0.0.1 asks for fewer requests. This download goes on after {time} UTC."
        asked = len(site.requests())
        held = [product.post(site.url(path)) for path in paths]
        for job_id in held:
            assert product.until(job_id, is_held)["retry_at"] == told["retry_at"]
        run_elsewhere(product, site, "/media/clip.mp4")

    product.start_worker(**SETTINGS)
    run_elsewhere(product, site, "/media/clip.mp4?number=4")
    assert [product.job(job_id)["retry_at"] for job_id in held] == [told["retry_at"]] * len(held)
    assert {one.headers["host"].partition(":")[0] for one in site.requests()[asked:]} == {"localhost"}

    end_pause(product)
    site.gate("trial").wait_held(timeout=60)
    run_elsewhere(product, site, "/media/clip.mp4?number=5")
    assert [product.job(job_id)["status"] for job_id in [*held[1:], refused]] == ["queued"] * 3, "one trial at a time"
    site.put("/limited.mp4", Reply(404))
    site.gate("trial").open()

    assert [product.watch(job_id).last["status"] for job_id in held] == ["completed"] * 3
    end = product.watch(refused).last
    assert (end["status"], end["error"]["code"], end["attempt"], end["retries"]) == ("failed", "unavailable", 2, 0)
    product.settle()
