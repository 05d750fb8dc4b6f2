"""A child that takes all the memory of its worker's pod.

Where the watch over children sees it in time, that child alone is ended. Else it is for the kernel, which ends the
container as a whole where the kubelet has it so (cgroup v2, unless `singleProcessOOMKill` is set): all that the worker
ran goes on when its leases have ended. Where it ends one process, it ends one of that child's.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from system.cluster import kube
from system.cluster.around import ORIGIN
from system.cluster.client import Client
from system.cluster.conftest import Installed
from system.cluster.load import address
from system.cluster.settings import NAMESPACE
from system.cluster.stand_in import container_of, stand_in

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
POD = "taken-over"
LEASE, SLOTS = 10, 3
HONEST_SECONDS = 45
"""that the honest downloads take: longer than it takes the hostile one to be tried again"""
SMALL = {
    "replicas": 0,
    "slots": SLOTS,
    "childMemory": "320Mi",
    "resources": {"limits": {"memory": "1500Mi"}},
    "settings": {"VIDFERRY_RETRIES": 1, "VIDFERRY_RETRY_DELAY": 1, "VIDFERRY_LEASE": LEASE},
}
"""as small as the chart allows"""

ENDS_AS_A_WHOLE = """
from pathlib import Path
group = Path("/sys/fs/cgroup/memory.oom.group")
print(group.exists() and group.read_text().strip() == "1")
"""
KILLS = """
from pathlib import Path
told = [Path("/sys/fs/cgroup", path) for path in ("memory.events", "memory/memory.oom_control")]
lines = [line.split() for path in told if path.exists() for line in path.read_text().splitlines()]
print(dict(lines)["oom_kill"])
"""


@contextmanager
def worker(installed: Installed, *arguments: str) -> Iterator[None]:
    """The only one: some of its children are hostile."""
    installed.release.present()
    installed.release.upgrade({"worker": SMALL})
    with stand_in(POD, "-m", "support.taken_over", *arguments, serves=True):
        kube.until(NAMESPACE, "pod", POD, holds=lambda pod: container_of(pod).get("ready", False))
        installed.client.routed()
        yield


def hostile(attack: str) -> str:
    return f"{ORIGIN}/u/{uuid.uuid4().hex}/{attack}"


def downloading(client: Client) -> dict[str, Any]:
    """A job whose bytes come."""
    job = client.post(address(HONEST_SECONDS))
    kube.until_nothing(lambda: [job] if client.job(job)["downloaded_bytes"] in (None, 0) else [])
    return job


def test_the_watch_ends_that_child_alone(installed: Installed) -> None:
    client = installed.client
    with worker(installed):
        honest = [downloading(client) for _ in range(SLOTS - 1)]
        begun = time.monotonic()
        failed = client.run(hostile("shared_memory")).data[-1]
        print(f"\nthe watch: a child that takes too much has ended after {time.monotonic() - begun:.1f} s")
        seen = [client.watch(job).data[-1] for job in honest]
        restarts = container_of(kube.get(NAMESPACE, "pod", POD))["restartCount"]
    assert (failed["error"]["code"], failed["attempt"]) == ("resources_exceeded", 1)
    assert {(data["status"], data["attempt"]) for data in seen} == {("completed", 1)}
    assert restarts == 0


def test_where_the_watch_is_too_slow_the_kernel_ends_one_child_or_all(installed: Installed) -> None:
    client = installed.client
    with worker(installed, "unwatched"):
        as_a_whole = kube.python(NAMESPACE, POD, ENDS_AS_A_WHOLE).strip() == "True"
        honest = [downloading(client) for _ in range(SLOTS - 1)]
        begun = time.monotonic()
        job = client.post(hostile("all_the_memory"))
        if as_a_whole:
            pod = kube.until(NAMESPACE, "pod", POD, holds=lambda pod: container_of(pod).get("restartCount", 0) > 0)
            assert container_of(pod)["lastState"]["terminated"]["reason"] == "OOMKilled"
        else:
            kube.until_nothing(lambda: [] if int(kube.python(NAMESPACE, POD, KILLS)) else ["no kill"])
        killed = time.monotonic() - begun
        client.request("DELETE", f"/api/jobs/{job['job_id']}")  # else it costs everybody a try twice more
        seen = [client.watch(job) for job in honest]
        ended = time.monotonic() - begun
        restarts = container_of(kube.get(NAMESPACE, "pod", POD))["restartCount"]
    what = "the container" if as_a_whole else "processes of that child alone"
    silence = max(watched.silence for watched in seen)
    print(f"\nout of memory: the kernel ended {what} after {killed:.1f} s; {restarts} restarts; the others were sent "
          f"nothing for up to {silence:.1f} s, and had completed after {ended:.1f} s")  # fmt: skip
    attempts = 2 if as_a_whole else 1
    assert {(watched.data[-1]["status"], watched.data[-1]["attempt"]) for watched in seen} == {("completed", attempts)}
    assert restarts == attempts - 1
