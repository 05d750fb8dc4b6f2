"""A worker stands still past its lease and wakes up: what it has to say comes too late."""

import time

import pytest

from support.gcs import Gcs
from support.origin.site import Site
from support.product import wait_until
from system.reliability.points import Points
from system.reliability.proxied import ProxiedProduct

LOST = "attempt lost"


@pytest.mark.xdist_group("life-cloud")
def test_it_can_neither_tell_nor_replace_anything(cloud_service: ProxiedProduct, cloud: Gcs, site: Site) -> None:
    """Three downloads: one under way, one whose upload arrives too late, one whose upload had arrived in time."""
    service, points = cloud_service, Points(cloud_service, site, cloud)
    earlier = points.objects()
    frozen = service.worker_named("frozen")
    other = service.worker_named("other", takes=False)
    arrived, answer = points.upload("a", arrived=True)
    late, arriving_late = points.upload("b")
    downloading = points.download()

    frozen.freeze()
    other.picks.open()
    reused = service.check_ended(arrived)
    assert (reused["attempt"], reused["result"]["reused"]) == (2, True)
    assert arrived.progress_of(2) == {5, 10, 30, 50, 70, 90, 100}
    anew = service.check_ended(late)
    assert (anew["attempt"], anew["result"]["reused"]) == (2, False)
    arriving_late.open()
    site.gate("download").open()
    assert service.check_ended(downloading)["attempt"] == 2
    before = points.objects()
    assert len(before) == len(earlier) + 3

    frozen.thaw()
    wait_until(lambda: len(frozen.logged(LOST)) >= 2)
    answer.open()  # it learns that it had uploaded when it has learned that it is too late
    wait_until(lambda: len(frozen.logged(LOST)) == 3)
    wait_until(lambda: not frozen.left())

    assert points.objects() == before
    for watcher in (arrived, late, downloading):
        service.check_ended(watcher)
    assert service.keys("arq:*") == []


@pytest.mark.xdist_group("life")
def test_one_that_wakes_up_in_time_goes_on(service: ProxiedProduct, site: Site) -> None:
    """Its lease has ended, and nobody has taken its download yet."""
    worker = service.worker_named("frozen")
    watcher = service.begin(site.url("/gated/g/clip.mp4"))
    site.gate("g").wait_held()
    watcher.until(lambda data: data["progress"] >= 20)
    worker.freeze()
    wait_until(lambda: service.lease_of(watcher) < 0)
    worker.thaw()
    wait_until(lambda: service.lease_of(watcher) > 0)
    site.gate("g").open()

    assert service.check_ended(watcher)["attempt"] == 1


@pytest.mark.xdist_group("life")
def test_a_worker_started_after_an_outage_reaps_nothing_that_may_live(service: ProxiedProduct, site: Site) -> None:
    """One stands still while Redis is away, and its lease ends; then it wakes up."""
    lease = 6.0
    worker = service.worker_named("first", lease=str(lease))
    watcher = service.begin(site.url("/gated/g/clip.mp4"))
    site.gate("g").wait_held()
    watcher.until(lambda data: data["progress"] >= 20)
    worker.freeze()
    service.redis.kill()
    time.sleep(lease)  # an outage is as long as it is: nothing is waited for here
    service.redis.start()

    fresh = service.worker_named("second", lease=str(lease))
    assert service.lease_of(watcher) < 0
    worker.thaw()
    wait_until(lambda: service.lease_of(watcher) > 0)
    site.gate("g").open()

    assert service.check_ended(watcher)["attempt"] == 1
    assert not fresh.logged("a worker was lost")
