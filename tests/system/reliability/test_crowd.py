"""Two hundred downloads for a hundred slots: who goes first, and that everybody goes."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from websockets.asyncio.client import connect

from support.origin.site import Site
from support.product import Product, wait_until
from support.services import SECONDS
from support.watchers import TERMINAL

pytestmark = [pytest.mark.xdist_group("life-crowd"), pytest.mark.timeout(600)]

SLOTS = (56, 50)
RUNNING = sum(SLOTS)
BULK, PEOPLE = 100, 16
ONE_BY_ONE = 3
CROWD_SECONDS = 300


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    waits = {"stall_seconds": "600", "min_rate": "0"}  # what waits at a gate keeps its slot on a busy machine, too
    workers = ({"worker_slots": str(slots), **waits} for slots in SLOTS)
    with Product(tmp_path_factory.mktemp("crowd"), *workers) as running:
        yield running


def post(product: Product, site: Site, first: int, count: int, priority: str) -> list[str]:
    """Jobs of videos of their own, each held at the gate of its number."""
    return [
        product.post(site.url(f"/tiny/{number}/clip.mp4"), priority=priority) for number in range(first, first + count)
    ]


def follows(site: Site, number: int) -> bool:
    return len(begun(site)) > RUNNING + number


def begun(site: Site) -> set[int]:
    """The numbers of the videos that workers have asked for."""
    return {int(one.path.split("/")[2]) for one in site.requests("/tiny/")}


async def ends(product: Product, jobs: list[str]) -> list[dict[str, Any]]:
    """The last message of each, by a socket each."""

    async def end(job_id: str) -> dict[str, Any]:
        found = []
        async with connect(product.gateway.uri(job_id), open_timeout=SECONDS, max_queue=None) as socket:
            async for raw in socket:
                data = json.loads(raw)["data"]
                found += [data] if data["status"] in TERMINAL else []
        (only,) = found
        return dict(only)

    async with asyncio.timeout(CROWD_SECONDS):
        return list(await asyncio.gather(*(end(job_id) for job_id in jobs)))


def test_the_oldest_first_within_its_class_people_before_bulk_and_all_in_the_end(product: Product, site: Site) -> None:
    first = post(product, site, 0, RUNNING, "interactive")
    wait_until(lambda: len(begun(site)) == RUNNING, lambda: f"{len(begun(site))} began", CROWD_SECONDS)
    bulk = post(product, site, RUNNING, BULK, "bulk")
    people = post(product, site, RUNNING + BULK, PEOPLE, "interactive")
    assert begun(site) == set(range(RUNNING)), "there are no more slots"

    next_one = RUNNING + BULK  # the first of the people: they came later than the bulk
    for number in range(ONE_BY_ONE):
        site.gate(str(number)).open()
        wait_until(partial(follows, site, number), lambda: "nobody follows", CROWD_SECONDS)
        assert begun(site) == set(range(RUNNING)) | set(range(next_one, next_one + number + 1))

    for number in range(ONE_BY_ONE, RUNNING):
        site.gate(str(number)).open()
    wait_until(lambda: len(begun(site)) == 2 * RUNNING, lambda: f"{len(begun(site))} began", CROWD_SECONDS)
    assert begun(site) == set(range(2 * RUNNING - PEOPLE)) | set(range(next_one, next_one + PEOPLE))

    for number in range(RUNNING, RUNNING + BULK + PEOPLE):
        site.gate(str(number)).open()
    last = asyncio.run(ends(product, first + bulk + people))
    assert {(end["status"], end["attempt"], end["retries"]) for end in last} == {("completed", 1, 0)}
    product.settle()
    assert len(product.videos()) == RUNNING + BULK + PEOPLE
