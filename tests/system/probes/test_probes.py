"""Whoever asks what a URL leads to is told within seconds, whatever the workers do beside it."""

import statistics
import time
from typing import Any

import httpx2

from support.origin.site import Site
from support.product import Product, wait_until
from system.probes.conftest import SLOTS

PAGE = "/page?src=/media/clip.mp4&title="


def ask(product: Product, url: str, wait: float = 20) -> httpx2.Response:
    return product.client.post("/api/probes", params={"wait": wait}, json={"url": url})


def occupy_slots(product: Product, site: Site) -> None:
    """Has every slot for downloads hold one that does not go on."""
    for number in range(SLOTS):
        product.post(site.url(f"/gated/busy/clip.mp4?n={number}"))
    site.gate("busy").wait_held(SLOTS)


def test_a_probe_does_not_wait_behind_downloads(product: Product, site: Site) -> None:
    occupy_slots(product, site)
    asked = time.monotonic()
    answer = ask(product, site.url("/page"))
    seconds = time.monotonic() - asked
    job = answer.json()
    assert (answer.status_code, job["kind"], job["status"]) == (200, "probe", "completed"), job
    assert job["probe"]["title"] == "A clip of coloured bars" == job["title"]
    assert job["probe"]["choice"]["size"] > 0
    assert seconds < 10
