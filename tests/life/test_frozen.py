"""A worker stands still past its lease and wakes up: what it has to say comes too late."""

from life.points import Points
from life.service import Service
from life.watching import eventually
from support.gcs import Gcs
from support.origin.site import Site

LOST = "attempt lost"


def test_it_can_neither_tell_nor_replace_anything(cloud_service: Service, cloud: Gcs, site: Site) -> None:
    """Three downloads: one under way, one whose upload arrives too late, one whose upload had arrived in time."""
    service, points = cloud_service, Points(cloud_service, site, cloud)
    frozen = service.worker("frozen")
    other = service.worker("other", takes=False)
    arrived, answer = points.upload("a", arrived=True)
    late, arriving_late = points.upload("b")
    downloading = points.download()

    frozen.freeze()
    other.picks.open()
    reused = service.check_ended(arrived)
    assert (reused["attempt"], reused["result"]["reused"]) == (2, True)
    assert arrived.steps(2) == {5, 10, 30, 50, 70, 90, 100}
    anew = service.check_ended(late)
    assert (anew["attempt"], anew["result"]["reused"]) == (2, False)
    arriving_late.open()
    site.gate("download").open()
    assert service.check_ended(downloading)["attempt"] == 2
    before = points.objects()
    assert len(before) == 3

    frozen.thaw()
    eventually(lambda: len(frozen.process.logged(LOST)) == 2)
    answer.open()  # it learns that it had uploaded when it has learned that it is too late
    eventually(lambda: len(frozen.process.logged(LOST)) == 3)
    eventually(lambda: not frozen.process.left())

    assert points.objects() == before
    for watcher in (arrived, late, downloading):
        service.check_ended(watcher)
    assert service.names("arq:*") == []


def test_one_that_wakes_up_in_time_goes_on(service: Service, site: Site) -> None:
    """Its lease has ended, and nobody has taken its download yet."""
    worker = service.worker("frozen")
    watcher = service.run(site.url("/gated/g/clip.mp4"))
    site.gate("g").wait_held()
    watcher.until(lambda data: data["progress"] >= 20)
    worker.freeze()
    eventually(lambda: service.lease_of(watcher) < 0)
    worker.thaw()
    eventually(lambda: service.lease_of(watcher) > 0)
    site.gate("g").open()

    assert service.check_ended(watcher)["attempt"] == 1
