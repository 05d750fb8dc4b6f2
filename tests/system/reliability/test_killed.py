"""A worker is killed: another one runs its downloads again, and soon."""

import signal
from pathlib import Path

import pytest

from support.children import processes
from support.gcs import Gcs
from support.origin.server import Origin
from support.origin.site import Site
from system.reliability.pages import addresses
from system.reliability.points import Points, path_that_holds_merges
from system.reliability.proxied import TAKEN_UP_SECONDS, ProxiedProduct, kill, seconds_after


@pytest.mark.xdist_group("life-cloud")
def test_at_any_point(cloud_service: ProxiedProduct, cloud: Gcs, site: Site, tmp_path: Path) -> None:
    """All points in one death: each download is held at another one."""
    service, points = cloud_service, Points(cloud_service, site, cloud)
    earlier = points.objects()
    victim = service.worker_named("victim", worker_slots="6", path=path_that_holds_merges(tmp_path / "path"))
    other = service.worker_named("other", worker_slots="6", takes=False)
    uploading, late = points.upload()
    watchers = {
        "upload": uploading,
        "extraction": points.extraction(),
        "download": points.download(),
        "merge": points.merge(),
        "right after the claim": points.claimed(victim),
    }
    picked = points.picked(victim)
    family = victim.family()

    died = kill(victim)
    other.picks.open()

    taken_up = {name: watcher.attempt(2) for name, watcher in watchers.items()}
    taken_up["between pick and claim"] = picked.attempt(1)
    waited = {name: seconds_after(died, data) for name, data in taken_up.items()}
    assert all(0 < seconds < TAKEN_UP_SECONDS for seconds in waited.values()), waited
    for name in ("extraction", "download"):
        site.gate(name).open()
    for name, watcher in watchers.items():
        last = service.check_ended(watcher)
        assert (last["attempt"], last["retries"]) == (2, 0), name
        assert not last["result"]["reused"], name
    assert service.check_ended(picked)["attempt"] == 1
    before = points.objects()
    assert len(before) == len(earlier) + 6
    late.open()  # what the dead one had sent arrives at last
    assert service.begin(site.url("/media/clip.mp4")).end()["result"]["reused"]
    assert points.objects() == before
    assert not family & set(processes())
    assert service.keys("arq:*") == []


@pytest.mark.xdist_group("life")
def test_three_deaths_end_it_and_deploys_do_not_count(service: ProxiedProduct, site: Site) -> None:
    """Another worker leads meanwhile, and takes nothing."""
    earlier = service.objects()
    service.worker_named("leader", takes=False)
    causes = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL]
    workers = [service.worker_named(f"w{number}", takes=False, grace="0") for number in range(len(causes))]
    watcher = service.begin(site.url("/gated/g/clip.mp4"))

    for attempt, (worker, cause) in enumerate(zip(workers, causes, strict=True), start=1):
        worker.picks.open()
        watcher.until(lambda data, number=attempt: data["attempt"] == number and data["progress"] >= 20)  # type: ignore[misc]
        worker.signal(cause)
        worker.wait()

    last = service.check_ended(watcher, "failed")
    assert (last["error"]["code"], last["attempt"], last["retries"]) == ("worker_lost", 4, 0)
    assert service.objects() == earlier
    assert service.keys("arq:*") == []


@pytest.mark.xdist_group("life")
def test_its_video_is_another_downloads_by_then(service: ProxiedProduct, origin: Origin, site: Site) -> None:
    """The job follows one that has had fewer attempts, and its watchers see no number fall."""
    pages = addresses(origin, site.url("/gated/g/clip.mp4"))
    victim = service.worker_named("victim", worker_slots="1")
    identified = victim.proxy.hold("claim_object")
    follower = service.begin(pages[0])
    identified.wait_reached()
    service.worker_named("other", worker_slots="2")
    leader = service.begin(pages[1])
    site.gate("g").wait_held()

    kill(victim)
    follower.until(lambda data: data["attempt"] == 2 and data["progress"] >= 20)
    site.gate("g").open()

    assert service.check_ended(leader)["attempt"] == 1
    assert service.check_ended(follower)["attempt"] == 2
    attempts = [data["attempt"] for data in follower.data]
    assert attempts == sorted(attempts)
    assert len(site.settled("/gated/g/clip.mp4")) == 1
