"""Two, or fifty, ask for one video at once, by one address or by several: it is fetched once, and all see it."""

import time
from collections.abc import Iterator

import pytest

from support.children import processes
from support.origin.server import Origin
from support.origin.site import Site
from support.product import wait_until
from system.reliability.pages import addresses
from system.reliability.proxied import ProxiedProduct, ProxiedWorker, seconds_after

pytestmark = pytest.mark.xdist_group("life")


@pytest.fixture(scope="module")
def worker(shared: ProxiedProduct) -> Iterator[ProxiedWorker]:
    """With as many slots as there are addresses of a video."""
    with shared.crew():
        yield shared.worker_named("worker", worker_slots="2")


def test_fifty_by_two_addresses(shared: ProxiedProduct, worker: ProxiedWorker, origin: Origin, site: Site) -> None:
    pages = addresses(origin, site.url("/gated/g/clip.mp4"))
    before = len(shared.objects())
    watchers = [shared.begin(pages[number % 2]) for number in range(50)]
    site.gate("g").wait_held()
    for watcher in watchers:
        watcher.until(lambda data: data["progress"] >= 20)
    assert shared.begin(site.url("/media/clip.mp4")).end()["status"] == "completed", "the other address holds no slot"
    for number in (0, 7, 49):
        shared.cancel(watchers[number].job_id)
        shared.check_ended(watchers[number], "cancelled")
    site.gate("g").open()

    for number, watcher in enumerate(watchers):
        if number not in (0, 7, 49):
            last = shared.check_ended(watcher) if number < 3 else watcher.end()
            assert (last["status"], last["attempt"], last["progress"]) == ("completed", 1, 100)
            assert watcher.progress_of(1) >= {20, 35, 50, 65, 80, 85, 90, 92, 98, 100}
    assert len(shared.objects()) == before + 2
    assert len(site.settled("/gated/g/clip.mp4")) == 1
    targets = [page.removeprefix(origin.address) for page in pages]
    asked = [one.target for one in origin.root.settled() if one.target in targets]
    assert sorted(asked) == sorted(targets), "one extraction an address"


def test_the_last_who_leaves_stops_it(
    shared: ProxiedProduct, worker: ProxiedWorker, origin: Origin, site: Site
) -> None:
    idle = worker.family()
    first, second = (shared.begin(page) for page in addresses(origin, site.url("/gated/g/clip.mp4")))
    site.gate("g").wait_held()
    for watcher in (first, second):
        watcher.until(lambda data: data["progress"] >= 20)
    wait_until(lambda: len(worker.family() - idle) == 1)
    children = worker.family() - idle

    shared.cancel(first.job_id)
    shared.check_ended(first, "cancelled")
    assert children <= set(processes()), "somebody waits for it still"
    asked = time.time()
    shared.cancel(second.job_id)
    assert seconds_after(asked, shared.check_ended(second, "cancelled")) < 1

    wait_until(lambda: not children & set(processes()), seconds=5)
    wait_until(lambda: not worker.left(), seconds=5)
    (fetched,) = site.settled("/gated/g/clip.mp4")
    assert fetched.closed_early
    assert shared.job(second.job_id)["status"] == "cancelled"
    wait_until(lambda: shared.keys("arq:*") == [], seconds=5)
