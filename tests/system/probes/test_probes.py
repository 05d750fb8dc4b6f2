"""Whoever asks what a URL leads to is told soon, whatever the workers do beside it, and if one of them dies."""

from typing import Any

import httpx2

from support.children import program
from support.origin.site import Site
from support.origin.wire import text
from support.product import Product, wait_until
from support.watchers import Watcher
from system.probes.conftest import LEASE, SLOTS


def ask(product: Product, url: str, wait: float = 20) -> httpx2.Response:
    return product.client.post("/api/probes", params={"wait": wait}, json={"url": url})


def begin(product: Product, url: str) -> dict[str, Any]:
    """A probe that a worker has begun."""
    job: dict[str, Any] = ask(product, url, wait=0).json()
    return product.until(job["job_id"], lambda job: job["status"] == "processing")


def hold_page(site: Site) -> str:
    """The URL of a page with a video that waits after some bytes until the gate `look` is opened."""
    page = text("<title>A page</title><video src='media/clip.mp4'></video>", "html")
    page.body.gate, page.body.gate_at = site.gate("look"), 10
    return site.put("/held", page)


def occupy_slots(product: Product, site: Site) -> None:
    """Has every slot for downloads hold one that does not go on."""
    for number in range(SLOTS):
        product.post(site.url(f"/gated/busy/clip.mp4?n={number}"))
    site.gate("busy").wait_held(SLOTS)


def test_a_probe_does_not_wait_behind_downloads(product: Product, site: Site) -> None:
    occupy_slots(product, site)
    waiting = product.post(site.url("/media/clip.mp4"))
    answer = ask(product, site.url("/page?src=media/clip.mp4"))
    job = answer.json()
    assert (answer.status_code, job["kind"], job["status"]) == (200, "probe", "completed"), job
    assert job["probe"]["title"] == job["title"] == "A clip of coloured bars"
    assert job["probe"]["choice"]["size"] > 1_000_000
    assert product.job(waiting)["status"] == "queued", "all slots were busy throughout"
    requests = len(site.requests("/page"))
    again = ask(product, site.url("/page?src=media/clip.mp4")).json()
    assert again["probe"] == job["probe"]
    assert len(site.requests("/page")) == requests, "the site is not asked again"
    assert len(site.requests("/media/clip.mp4")) == 1, "HEAD; nothing is fetched"
    assert job["probe"]["batch_limit"] is None
    listed = ask(product, site.put("/list.m3u", text("#EXTM3U\nv/1.mp4\nv/2.mp4\n", "audio/mpegurl"))).json()["probe"]
    assert (listed["is_list"], listed["entry_count"], listed["batch_limit"]) == (True, 2, 1000)
    site.gate("busy").open()
    product.until(waiting, lambda job: job["status"] == "completed")


def test_watchers_are_told_as_of_a_download(product: Product, site: Site) -> None:
    job = begin(product, hold_page(site))
    watcher = Watcher(product.gateway.uri(job["job_id"]))
    assert watcher.first()["probe"] is None
    site.gate("look").open()
    last, told = watcher.end(), product.job(job["job_id"])
    assert last["probe"] == told["probe"] != None  # noqa: E711 - all three
    assert {name: told[name] for name in last} == last, "one document everywhere"
    product.settle()


def test_a_cancelled_probe_lets_its_child_go(product: Product, site: Site) -> None:
    job = begin(product, hold_page(site))
    site.gate("look").wait_held()
    product.cancel(job["job_id"])
    wait_until(lambda: not product.children(), lambda: f"left: {[program(pid) for pid in product.children()]}")
    product.settle()


def test_a_dead_workers_probe_is_looked_at_by_another(product: Product, site: Site) -> None:
    """The last test here: the worker of the others dies."""
    job = begin(product, hold_page(site))
    site.gate("look").wait_held()
    product.worker.kill()
    product.start_worker(lease=LEASE)
    site.gate("look").open()
    ended = product.until(job["job_id"], lambda job: job["status"] == "completed")
    assert ended["attempt"] == 2
