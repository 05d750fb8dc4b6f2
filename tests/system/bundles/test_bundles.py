"""All workers switch to a newer yt-dlp and back while they download, and lose nothing."""

import asyncio
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.bundles import IMAGE, NEWER, Index, as_version, package_index
from support.jobs import jobs_in
from support.origin.site import Site
from support.product import Product, wait_until
from support.records import of
from support.services import Worker
from vidferry_common.contract import keys

pytestmark = [pytest.mark.bundles, pytest.mark.timeout(300)]
DOWNLOADS, WORKERS = 20, 3
SWITCH_SECONDS = 60
"""on a machine that has its processors for this; loading yt-dlp is work for them"""
SWITCHED = "new downloads run on another yt-dlp"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with package_index(tmp_path / "index") as served:
        served.add_release(NEWER, {"yt_dlp/version.py": as_version(NEWER)})
        yield served


def switches(worker: Worker) -> list[dict[str, Any]]:
    return worker.logged(SWITCHED)


def switch_seconds() -> float:
    """SWITCH_SECONDS, and more where others use the machine too."""
    return SWITCH_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def time_of(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["timestamp"]).timestamp()


def failing_version(product: Product, site: Site, number: int) -> str:
    """The version that a worker names of the yt-dlp in a download that fails."""
    job = product.post(site.url(f"/status/404?{number}"))
    wait_until(lambda: product.job(job)["status"] == "failed")
    (entry,) = [
        entry for worker in product.workers for entry in worker.logged("attempt failed") if job in entry["job_ids"]
    ]
    return str(entry["yt_dlp_version"])


async def roll_back(product: Product, version: str) -> bool:
    async with jobs_in(product.redis) as jobs:
        leader = await of(jobs.redis.hget(keys.LEADER, "worker"))
        return await jobs.store.bundles.roll_back(leader.decode(), version, "the test says so")


def test_twenty_downloads_outlive_a_switch_and_a_rollback(index: Index, site: Site, tmp_path: Path) -> None:
    settings = {"worker_slots": "7", "ytdlp": "stable", "stall_seconds": "600", "min_rate": "0"}
    with Product(tmp_path, *[settings] * WORKERS, environment={"PIP_INDEX_URL": index.url}) as product:
        jobs = [product.post(site.url(f"/gated/held/clip.mp4?{number}")) for number in range(DOWNLOADS)]
        site.gate("held").wait_held(DOWNLOADS, 90)
        wait_until(lambda: all(map(switches, product.workers)), seconds=200)
        (published,) = [entry for worker in product.workers for entry in worker.logged("a newer yt-dlp was published")]
        assert max(time_of(switches(worker)[0]) for worker in product.workers) - time_of(published) < switch_seconds()
        assert failing_version(product, site, 1) == NEWER

        assert asyncio.run(roll_back(product, NEWER))
        wait_until(lambda: all(len(switches(worker)) == 2 for worker in product.workers), seconds=200)
        assert failing_version(product, site, 2) == IMAGE

        site.gate("held").open()
        wait_until(lambda: all(product.job(job)["status"] == "completed" for job in jobs))
        assert {product.job(job)["attempt"] for job in jobs} == {1}
        wait_until(lambda: not any(list(worker.folder.glob("*/bundle-*")) for worker in product.workers))
        assert not any(worker.logged("attempt lost its lease to another attempt") for worker in product.workers)
