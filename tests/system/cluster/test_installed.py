"""Vidferry in a cluster: what an operator and a user see, from `helm install` to `helm uninstall`. In this order."""

import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from support import dashboards
from support.ffmpeg import kinds
from system.cluster import kube, load
from system.cluster.around import ORIGIN, STORAGE, query
from system.cluster.browser import person
from system.cluster.client import NO_TICKET, Client, follow
from system.cluster.conftest import Installed
from system.cluster.keys import first_key
from system.cluster.probes import connects
from system.cluster.release import SERVICES, counting, pod, pods, replicas, settled
from system.cluster.settings import AROUND, HOST, NAMESPACE, RELEASE
from system.cluster.ways import gateway, ways

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

READY_GOAL, FIRST_JOB_GOAL = 45, 60
NEW_VIDEO = [5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100]
QUEUED_JOBS = 30
BROWSER_MS = 60_000
"""for a whole job on a busy machine"""
WAYS = ways()


def test_helm_install_is_ready_and_does_a_job(installed: Installed) -> None:
    installed.client.routed()
    watched = installed.client.run(f"{ORIGIN}/u/first/media/clip.mp4")
    first_job = time.monotonic() - installed.begun
    assert watched.data[-1]["status"] == "completed", watched.data[-1]
    print(f"\nhelm install: ready after {installed.ready_seconds:.1f} s, first job finished after {first_job:.1f} s, "
          f"{len(watched.broken)} connections opened again")  # fmt: skip
    assert installed.ready_seconds < READY_GOAL
    assert first_job < FIRST_JOB_GOAL


def test_whoever_has_no_key_is_refused_and_the_first_key_is_taken(installed: Installed) -> None:
    url = f"{ORIGIN}/u/keys/media/clip.mp4"
    job = installed.client.post(url)
    with (
        closing(Client(installed.certificate, key="")) as nobody,
        closing(Client(installed.certificate, key=first_key())) as first,
    ):
        for method, path in (("POST", "/api/download"), ("GET", f"/api/jobs/{job['job_id']}")):
            refused = nobody.request(method, path, json={"url": url})
            assert refused.status_code == 401, refused.text
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert nobody.watch({"ws_url": job["ws_url"].partition("?")[0]}).close_code == NO_TICKET
        assert nobody.watch(job).data[-1]["status"] == "completed"  # a ticket needs no key
        assert first.run(url).data[-1]["status"] == "completed"
        assert first.request("GET", f"/api/jobs/{job['job_id']}").status_code == 404  # another owner's


def test_the_main_job_through_the_ingress(installed: Installed) -> None:
    watched = installed.client.run(f"{ORIGIN}/u/main/hls/master.m3u8")
    shown = [data["progress"] for data in watched.data if data["status"] != "queued"]
    assert shown == sorted(shown)
    named = [progress for progress in shown if progress in NEW_VIDEO]
    assert [one for index, one in enumerate(named) if index == 0 or named[index - 1] != one] == NEW_VIDEO
    assert watched.close_code == 1000
    result = watched.data[-1]["result"]
    fetched = follow(result["url"])
    assert fetched.status_code == 200, fetched.text
    assert len(fetched.content) == result["size"] > 0
    assert fetched.content[4:8] == b"ftyp"


def test_a_person_in_a_browser(installed: Installed, tmp_path: Path) -> None:
    with person() as (page, sockets):
        page.get_by_label("Video URL").fill(f"{ORIGIN}/u/person/slow-hls/500000/master.m3u8")
        page.get_by_role("button", name="Download video").click()
        card = page.locator(".card").first
        current = card.locator(".steps [aria-current=step]")
        expect(current).to_have_text("Download", timeout=BROWSER_MS)
        link = card.get_by_role("link", name="Save video")
        expect(link).to_be_visible(timeout=BROWSER_MS)
        expect(card.locator(".steps .passed")).to_have_text(["Start", "Details", "Download", "Merge", "Upload", "Done"])
        with page.expect_download() as download:
            link.click()
        assert urlsplit(download.value.url).netloc == urlsplit(STORAGE).netloc
        download.value.save_as(tmp_path / "saved.mp4")
    (received,) = sockets.received.values()
    assert next(iter(sockets.received)).startswith(f"wss://{HOST}/ws/")
    sent = [json.loads(frame)["data"] for frame in received]
    assert {*NEW_VIDEO} <= {data["progress"] for data in sent}
    assert (tmp_path / "saved.mp4").stat().st_size == sent[-1]["result"]["size"]
    assert kinds(tmp_path / "saved.mp4") == ["audio", "video"]
    print(f"\na browser: {len(sent)} messages on its socket, {sent[-1]['result']['size']} bytes saved by its link")


def test_helm_test(installed: Installed) -> None:
    told = kube.run("helm", "test", RELEASE, "--namespace", NAMESPACE, "--logs", "--timeout=300s")
    print(told)
    for check in (
        "services_answer",
        "key_required",
        "address_refused",
        "unknown_job",
        "whole_download",
        "public_address",
    ):
        assert f"passed {check}" in told


def test_policies_let_through_what_must_connect_and_nothing_else(installed: Installed) -> None:
    ips = {name: pods(name)[0]["status"]["podIP"] for name in SERVICES}
    targets = {
        "redis": f"{RELEASE}-redis.{NAMESPACE}.svc:6379",
        "api": f"{ips['api']}:3001",
        "gateway": f"{ips['gateway']}:3002",
        **{f"{name}'s admin port": f"{ip}:9090" for name, ip in ips.items()},
        "origin": ORIGIN.removeprefix("http://"),
        "bucket": STORAGE.removeprefix("http://"),
        "a pod outside": f"{kube.get(AROUND, 'pod', 'stranger')['status']['podIP']}:8000",
        "the API server": "kubernetes.default.svc:443",
    }
    outside = {"origin", "bucket", "a pod outside", "the API server"}
    admitted = {
        "api": {"redis", "bucket"},
        "worker": {"redis", "bucket", "origin"},
        "gateway": {"redis"},
        "redis": set[str](),
        "prometheus": {f"{name}'s admin port" for name in SERVICES} | outside,
        "stranger": outside,
    }
    for who, expected in admitted.items():
        inside = who in (*SERVICES, "redis")
        others = {name: target for name, target in targets.items() if name.split("'")[0] != who}
        reached = connects(NAMESPACE if inside else AROUND, pod(who) if inside else who, others)
        print(f"{who} connects to {', '.join(name for name, open_ in reached.items() if open_) or 'nothing'}")
        assert {name for name, open_ in reached.items() if open_} == expected, who


def test_prometheus_reads_every_pod_and_every_panel_has_data(installed: Installed) -> None:
    client = installed.client
    boards = dashboards.load_all()
    with load.load(client) as people:
        for path in ("media/clip.mp4", "status/404", "status/500"):
            client.run(f"{ORIGIN}/u/panels/{path}")
        client.request("POST", "/api/probes", json={"url": f"{ORIGIN}/u/panels/other/clip.mp4"})
        client.request("GET", "/nothing")
        expected = {one["metadata"]["name"] for name in SERVICES for one in pods(name)}
        read = {series["metric"]["pod"] for series in query("up == 1")}
        assert read == expected
        queries = {
            f"{name}: {title}": query for name, board in boards.items() for title, query in dashboards.queries(board)
        }
        silent = set(queries)

        def still() -> set[str]:
            silent.difference_update([title for title in silent if gives(queries[title])])
            return silent

        kube.until_nothing(still)
    assert not people.faults
    print(f"\nPrometheus reads {len(read)} pods, and all {len(queries)} queries of the dashboards give data")


def gives(expression: str) -> bool:
    return any(math.isfinite(float(series["value"][1])) for series in query(expression))


def test_keda_scales_workers_from_none_and_back(installed: Installed) -> None:
    assert kube.known("scaledobjects.keda.sh"), "the cluster has no KEDA: install it"
    keda = {"enabled": True, "pollingInterval": 2, "cooldownPeriod": 10}
    installed.release.upgrade({"worker": {"autoscaling": {"minReplicas": 0, "maxReplicas": 4, "keda": keda}}})
    deployment = ("deployment", f"{RELEASE}-worker")
    begun = time.monotonic()
    kube.until(NAMESPACE, *deployment, holds=lambda state: replicas(state) == 0)
    print(f"\nKEDA: none after {time.monotonic() - begun:.0f} s without jobs")
    settled("worker")
    begun = time.monotonic()
    with counting(*deployment) as counted, ThreadPoolExecutor(QUEUED_JOBS) as pool:
        jobs = [installed.client.post(load.address()) for _ in range(QUEUED_JOBS)]
        seen = list(pool.map(installed.client.watch, jobs))
        print(f"KEDA: {len(jobs)} queued jobs ended after {time.monotonic() - begun:.0f} s, by {max(counted)} pods")
    assert [watched.data[-1]["status"] for watched in seen] == ["completed"] * QUEUED_JOBS
    assert max(counted) > 1
    begun = time.monotonic()
    kube.until(NAMESPACE, *deployment, holds=lambda state: replicas(state) == 0)
    print(f"KEDA: none again {time.monotonic() - begun:.0f} s after the last job")
    installed.release.upgrade({"worker": {"autoscaling": {"keda": {"enabled": False}}, "replicas": 1}})
    kube.kubectl("-n", NAMESPACE, "wait", "--for=delete", "scaledobject", "--all", f"--timeout={kube.WAIT_SECONDS}s")


def test_hpa_moves_the_api_under_load(installed: Installed) -> None:
    job = installed.client.post(f"{ORIGIN}/u/hpa/media/clip.mp4")
    hpa = {"enabled": True, "targetCPUUtilizationPercentage": 80}
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    scaling = {"minReplicas": 1, "maxReplicas": 3, "hpa": hpa, "behavior": behavior}
    installed.release.upgrade({"api": {"autoscaling": scaling}})
    deployment, stop = ("deployment", f"{RELEASE}-api"), threading.Event()

    def ask() -> None:  # without a pause, since this is the load
        while not stop.is_set():
            installed.client.job(job)

    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        try:
            asking = [pool.submit(ask) for _ in range(4)]
            grown = replicas(kube.until(NAMESPACE, *deployment, holds=lambda state: replicas(state) > 1))
            print(f"\nHPA: 1 → {grown} pods after {time.monotonic() - begun:.0f} s of load")
        finally:
            stop.set()
    for one in asking:
        one.result()
    begun = time.monotonic()
    kube.until(NAMESPACE, *deployment, holds=lambda state: replicas(state) == 1)
    print(f"HPA: back to 1 after {time.monotonic() - begun:.0f} s without load")
    installed.release.upgrade({"api": {"autoscaling": {"hpa": {"enabled": False}}, "replicas": 1}})


@pytest.mark.parametrize("name", WAYS)
def test_other_ways_in(installed: Installed, name: str) -> None:
    way = WAYS[name]
    kube.apply(gateway())
    installed.release.upgrade(way.values)
    settled("api")  # which told clients the former address
    with closing(Client(installed.certificate if way.tls else None, way.host, way.path)) as client:
        client.routed()
        watched = client.run(load.address())
    assert [data["progress"] for data in watched.data if data["progress"] in NEW_VIDEO][-1] == 100
    assert (watched.data[-1]["status"], watched.close_code, watched.broken) == ("completed", 1000, [])
    assert len(follow(watched.data[-1]["result"]["url"]).content) == watched.data[-1]["result"]["size"]
    print(f"\n{name}: {len(watched.messages)} messages, longest silence {watched.silence:.1f} s")


def test_helm_uninstall_leaves_nothing(installed: Installed) -> None:
    for name in SERVICES:
        for one in pods(name):
            assert one["status"]["containerStatuses"][0]["restartCount"] == 0, one["metadata"]["name"]
    installed.release.uninstall()
    # the cluster's own controllers take some away later
    kube.until_nothing(lambda: kube.everything(NAMESPACE) - installed.before)
    print("\nhelm uninstall: nothing left")
