"""One caller's many jobs don't stand before another's first: real services, with their default settings."""

from pathlib import Path
from typing import Any

import pytest

from support.origin.site import Site
from support.product import Product
from vidferry_worker.settings import WorkerSettings

SHARES = {name: str(WorkerSettings.model_fields[name].default) for name in ("site_share", "caller_share")}
"""the defaults"""
MANY = 50


@pytest.mark.parametrize(
    ("settings", "bound"),
    [({"worker_slots": "1"}, 4), ({"worker_slots": "1", "site_share": "1", "caller_share": "1"}, 4)],
    ids=["default shares", "no shares"],
)
def test_fifty_of_one_do_not_stand_before_anothers_first(
    settings: dict[str, Any], bound: int, site: Site, tmp_path: Path
) -> None:
    with Product(tmp_path, SHARES | settings) as product:
        many = [product.post(site.url(f"/media/clip.mp4?{number}"), caller="198.51.100.7") for number in range(MANY)]
        other = product.post(site.url("/media/clip.mp4?other"), caller="198.51.100.8")

        end = product.watch(other).last

        assert end["status"] == "completed"
        since, until = product.job(other)["created_at"], end["timestamp"]
        ended = [job["timestamp"] for job in map(product.job, many) if job["status"] == "completed"]
        assert len([when for when in ended if since <= when <= until]) <= bound
        for job in many:
            if product.job(job)["status"] == "queued":
                product.client.delete(f"/api/jobs/{job}")
