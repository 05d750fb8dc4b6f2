"""A site that asks for fewer requests is left alone by all workers, and no further ones are started for what waits."""

import time
from collections.abc import Iterator

import pytest

from support.origin.media import CLIP_BYTES
from system.cluster import kube
from system.cluster.client import Client
from system.cluster.conftest import Installed
from system.cluster.origin import Corner
from system.cluster.release import counting, ready, replicas, settled
from system.cluster.settings import AROUND, NAMESPACE, RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
WORKERS, HELD, PAUSE = 3, 12, 75
"""pods; downloads that wait; seconds that the site asks for"""
QUIET_SECONDS = 35
"""in which the autoscaler looks at the queue twice"""
CLIP_SECONDS = 15
"""longer than it takes the autoscaler to look again"""


def limited(corner: Corner) -> str:
    """A video whose first request is refused."""
    return corner.url(f"/flaky/clip.mp4?status=429&wait={PAUSE}")


def slow(corner: Corner, number: int) -> str:
    return corner.url(f"/slow/clip.mp4?rate={CLIP_BYTES // CLIP_SECONDS}&number={number}")


def hold(client: Client, corner: Corner) -> list[dict[str, str]]:
    """Jobs of a site that pauses; the first is the one that was refused."""
    refused = client.post(limited(corner))
    kube.until_nothing(lambda: [] if client.job(refused).get("pause_code") else [refused])
    others = [client.post(slow(corner, number)) for number in range(HELD)]
    kube.until_nothing(lambda: [job for job in others if client.job(job).get("pause_code") != "rate_limited"])
    return [refused, *others]


def test_a_site_that_answers_429_is_left_alone_by_all_workers(installed: Installed) -> None:
    client, site = installed.client, Corner()
    elsewhere = Corner(f"http://{kube.get(AROUND, 'pod', 'origin')['status']['podIP']}:8000")
    installed.release.present()
    installed.release.upgrade({"worker": {"replicas": WORKERS}})
    client.routed()
    begun = time.monotonic()
    jobs = hold(client, site)
    told = [client.job(job) for job in jobs]
    assert {(job["status"], job["retry_at"]) for job in told} == {("queued", told[0]["retry_at"])}
    assert client.run(elsewhere.url("/media/clip.mp4")).data[-1]["status"] == "completed"
    assert {one["status"] for one in site.requests()} == {429}
    assert time.monotonic() - begun < PAUSE, "this machine is too slow for a pause this short"

    assert {(end["status"], end["retries"]) for end in client.ended(jobs)} == {("completed", 0)}
    refused, *answered = [one["received"] for one in site.requests()]
    print(
        f"\na site that answers 429 and asks for {PAUSE} s: asked again after {min(answered) - refused:.1f} s by "
        f"{WORKERS} workers; {len(jobs)} downloads had completed {time.monotonic() - begun:.0f} s after the first came"
    )
    assert min(answered) - refused >= PAUSE - 1


@pytest.fixture
def scaled(installed: Installed) -> Iterator[Installed]:
    """By KEDA, a pod for each download."""
    assert kube.known("scaledobjects.keda.sh"), "the cluster has no KEDA: install it"
    installed.release.present()
    keda = {"enabled": True, "pollingInterval": 2, "cooldownPeriod": 10, "downloadsPerPod": 1}
    scaling = {"minReplicas": 1, "maxReplicas": 4, "keda": keda}
    installed.release.upgrade({"worker": {"autoscaling": scaling}})
    kube.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "scaledobject", "--all",
                 f"--timeout={kube.WAIT_SECONDS}s")  # fmt: skip
    yield installed
    installed.release.present()
    kube.kubectl("-n", NAMESPACE, "wait", "--for=delete", "scaledobject", "--all", f"--timeout={kube.WAIT_SECONDS}s")


def test_no_workers_are_started_for_downloads_that_wait_for_a_site(scaled: Installed) -> None:
    """They are started for the same downloads as soon as these can go on."""
    client, deployment = scaled.client, ("deployment", f"{RELEASE}-worker")
    kube.until(NAMESPACE, *deployment, holds=lambda state: replicas(state) == 1)
    settled("worker")
    ready("worker")
    client.routed()
    begun = time.monotonic()
    with counting(*deployment) as counted:
        jobs = hold(client, Corner())
        quiet = time.monotonic()
        time.sleep(QUIET_SECONDS)  # nothing tells that nothing is about to happen
        assert time.monotonic() - begun < PAUSE, "this machine is too slow for a pause this short"
        assert {client.job(job)["status"] for job in jobs} == {"queued"}
        while_held = list(counted)
        assert {end["status"] for end in client.ended(jobs)} == {"completed"}
    print(f"\nKEDA: {HELD + 1} downloads waited for a site, with {max(while_held)} pod over "
          f"{time.monotonic() - quiet:.0f} s; when they went on, {max(counted)} pods")  # fmt: skip
    assert set(while_held) == {1}
    assert max(counted) > 1
