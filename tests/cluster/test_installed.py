"""Vidferry in a cluster: what an operator and a user see, from `helm install` to `helm uninstall`. In this order."""

import time

import pytest

from cluster import kube
from cluster.around import ORIGIN
from cluster.client import follow
from cluster.conftest import Installed
from cluster.settings import NAMESPACE, RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

READY_GOAL, FIRST_JOB_GOAL = 45, 60
NEW_VIDEO = [5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100]


def test_helm_install_is_ready_and_does_a_job(installed: Installed) -> None:
    watched = installed.client.run(f"{ORIGIN}/u/first/media/clip.mp4")
    first_job = time.monotonic() - installed.begun
    assert watched.data[-1]["status"] == "completed", watched.data[-1]
    print(f"\nhelm install: ready after {installed.ready_seconds:.1f} s, first job finished after {first_job:.1f} s")
    assert installed.ready_seconds < READY_GOAL
    assert first_job < FIRST_JOB_GOAL


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


def test_helm_test(installed: Installed) -> None:
    told = kube.run("helm", "test", RELEASE, "--namespace", NAMESPACE, "--logs", "--timeout=300s")
    print(told)
    for check in ("services_answer", "address_refused", "unknown_job", "whole_download"):
        assert f"passed {check}" in told
