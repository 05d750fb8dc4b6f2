"""All workers of a release switch to a newer yt-dlp while they download, and leave one that is not wanted."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from support.bundles import IMAGE, NEWER
from system.cluster import kube, load
from system.cluster.around import ORIGIN, served
from system.cluster.client import Client
from system.cluster.conftest import Standing, keep_logs
from system.cluster.events import restarts
from system.cluster.outside.packages import PORT
from system.cluster.release import Release, log, pods, settled, time_of
from system.cluster.settings import AROUND, NAMESPACE
from system.cluster.stand_in import PYTHON

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
WORKERS, SLOTS, DOWNLOADS = 3, 7, 20
INTERVAL = 60
"""seconds between two looks: the least that the chart allows"""
DOWNLOAD_SECONDS = 220
"""more than it takes until all have begun, the next look is due, its trial has passed, and all have switched"""
SWITCH_SECONDS = 60
REPORT_SECONDS = 180
"""for which a pod that is gone is counted among the workers"""
HOST = f"packages.{AROUND}.svc.cluster.local"
PROGRAM = "system.cluster.outside.packages"
VALUES: dict[str, Any] = {
    "log": {"level": "info"},
    "worker": {
        "replicas": WORKERS,
        "slots": SLOTS,
        "ytdlp": {"version": "stable", "interval": INTERVAL},
        "extraEnv": [
            {"name": "PIP_INDEX_URL", "value": f"http://{HOST}:{PORT}/simple"},
            {"name": "PIP_TRUSTED_HOST", "value": HOST},  # pip wants https of all other hosts
        ],
        "extraEgress": [
            {
                "to": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": AROUND}},
                        "podSelector": {"matchLabels": {"app": "packages"}},
                    }
                ],
                "ports": [{"protocol": "TCP", "port": PORT}],
            }
        ],
    },
}
MEMORY = """
from pathlib import Path
of_v2, of_v1 = Path("/sys/fs/cgroup/memory.stat"), Path("/sys/fs/cgroup/memory/memory.stat")
figures = dict(line.split() for line in (of_v2 if of_v2.exists() else of_v1).read_text().splitlines())
print(figures.get("anon") or figures["total_rss"])
"""
"""prints the bytes of a container's memory that belong to no file"""


@dataclass
class Updating:
    """A release that looks for a newer yt-dlp."""

    release: Release
    client: Client

    def versions(self) -> dict[str, Any]:
        """What runs, as the API tells it."""
        answer = self.client.request("GET", "/api/version")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def workers(self) -> dict[str, int]:
        """The number of workers by their yt-dlp."""
        return {each["yt_dlp"]: each["count"] for each in self.versions()["workers"]}

    def until_all_run(self, version: str, seconds: float) -> float:
        """Seconds until the API tells that of all workers and of no other."""
        begun = time.monotonic()
        kube.until_nothing(lambda: [] if (found := self.workers()) == {version: WORKERS} else found, seconds)
        return time.monotonic() - begun


@contextmanager
def package_index() -> Iterator[None]:
    """A pod with an index that has the image's yt-dlp."""
    command = ["env", "PYTHONPATH=/opt/tests", PYTHON, "-m", PROGRAM]
    kube.apply(*served("packages", PORT, ["serve"], command=command))
    try:
        kube.kubectl("-n", AROUND, "wait", "--for=condition=Ready", "pod/packages", f"--timeout={kube.WAIT_SECONDS}s")
        yield
    finally:
        kube.kubectl("-n", AROUND, "delete", "pod/packages", "service/packages")


def add_release(version: str) -> None:
    command = ["env", "PYTHONPATH=/opt/tests", PYTHON, "-m", PROGRAM, "add", version]
    kube.kubectl("-n", AROUND, "exec", "packages", "--", *command)


@pytest.fixture(scope="module")
def updating(standing: Standing) -> Iterator[Updating]:
    with package_index():
        before = kube.everything(NAMESPACE)
        release = Release(standing.around, VALUES)
        try:
            release.install()
            standing.client.routed()
            yield Updating(release, standing.client)
        finally:
            keep_logs()
            release.uninstall()
            kube.until_nothing(lambda: kube.everything(NAMESPACE) - before)


def names() -> list[str]:
    return [one["metadata"]["name"] for one in pods("worker")]


def memory() -> list[int]:
    """MB of each worker's pod."""
    return [int(kube.python(NAMESPACE, name, MEMORY)) // 10**6 for name in names()]


def test_all_workers_switch_to_a_newer_yt_dlp_while_they_download(updating: Updating) -> None:
    client = updating.client
    updating.until_all_run(IMAGE, kube.WAIT_SECONDS)
    jobs = [client.post(load.address(DOWNLOAD_SECONDS)) for _ in range(DOWNLOADS)]
    kube.until_nothing(lambda: [job for job in jobs if not client.job(job)["downloaded_bytes"]])
    one_loaded = memory()

    add_release(NEWER)
    updating.until_all_run(NEWER, INTERVAL + kube.WAIT_SECONDS)
    two_loaded = memory()
    told = updating.versions()
    published = time_of(only([entry for name in names() for entry in log(name, "a newer yt-dlp was published")]))
    switched = [time_of(only(log(name, "new downloads run on another yt-dlp"))) - published for name in names()]
    seconds = ", ".join(f"{each:.1f}" for each in sorted(switched))
    print(
        f"\na newer yt-dlp: workers switched {seconds} s after its publication, with {DOWNLOADS} downloads running; "
        f"their pods' memory in MB: {one_loaded} before, {two_loaded} with both loaded"
    )
    assert (told["bundle"]["yt_dlp"], told["bundle"]["previous"], told["held"]) == (NEWER, IMAGE, [])
    assert max(switched) < SWITCH_SECONDS
    assert {client.job(job)["status"] for job in jobs} == {"processing"}

    assert client.run(f"{ORIGIN}/u/versions/status/404").data[-1]["status"] == "failed"
    (failed,) = [entry for name in names() for entry in log(name, "attempt failed")]
    assert failed["yt_dlp_version"] == NEWER
    assert {(end["status"], end["attempt"]) for end in client.ended(jobs)} == {("completed", 1)}
    assert not any(map(restarts, pods("worker")))


def test_downloads_do_not_reach_the_index(updating: Updating) -> None:
    """The worker may connect to it, for pip alone."""
    ended = updating.client.run(f"http://{HOST}:{PORT}/simple/yt-dlp/").data[-1]
    assert ended["error"]["code"] == "forbidden_address"


def test_a_version_that_the_operator_holds_is_left_while_people_work(updating: Updating) -> None:
    assert set(updating.workers()) == {NEWER}
    with load.load(updating.client) as people:
        updating.release.upgrade({"worker": {"ytdlp": {"hold": [NEWER]}}})
        settled("worker")
        kube.until_nothing(lambda: [told] if (told := updating.versions())["bundle"] else [], 2 * INTERVAL)
        seconds = updating.until_all_run(IMAGE, 2 * REPORT_SECONDS)
    told = updating.versions()
    print(f"\na held yt-dlp: the last worker with it was forgotten {seconds:.0f} s after the fleet had left it")
    assert (told["bundle"], told["held"]) == (None, [NEWER])
    assert not people.faults
    assert all(job.completed for job in people.jobs), [job.document for job in people.jobs if not job.completed]
    assert updating.client.run(f"{ORIGIN}/u/held/media/clip.mp4").data[-1]["status"] == "completed"


def only(entries: list[dict[str, Any]]) -> dict[str, Any]:
    (entry,) = entries
    return entry
