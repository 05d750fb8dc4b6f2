"""What holds hostile children and addresses, in pods of the restricted Pod Security Standard such as the chart makes a
worker's: no capabilities, the runtime's own seccomp profile, a root that is read-only, volumes with a limit.
"""

import pytest

from system.cluster import kube
from system.cluster.around import STORAGE
from system.cluster.conftest import Installed
from system.cluster.release import pods, settled
from system.cluster.settings import NAMESPACE, RELEASE
from system.cluster.stand_in import container_of, stand_in

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
POD = "attacked"
SECONDS = 900
API_SERVER, METADATA = "https://kubernetes.default.svc/", "http://169.254.169.254/"
PYTEST = ["-m", "pytest", "-p", "no:cacheprovider", "--rootdir=/opt", "--basetemp=/work/tests", "-q", "--durations=5"]
WITHOUT = "--deselect=tests/unit/worker/children/test_zygote.py::test_a_child_that_sends_what_is_no_event_is_ended"
"""It takes a descriptor out of a child, which the runtime's profile refuses the test."""
TESTS = [
    f"/opt/tests/{path}.py"
    for path in (
        "system/confinement/test_sandbox", "system/confinement/test_sandbox_settings", "system/confinement/test_floods",
        "system/confinement/test_refusals", "system/downloads/test_failures", "unit/worker/child/page/test_context",
        "unit/worker/child/sandbox/test_seccomp", "unit/worker/child/test_content_sniff",
        "unit/worker/children/test_folder_tree", "unit/worker/children/test_wire", "unit/worker/children/test_work_dir",
        "unit/worker/children/test_zygote", "unit/worker/network/test_broker", "unit/worker/network/test_dial",
        "unit/worker/network/test_egress", "unit/worker/network/test_resolver",
    )
]  # fmt: skip


def test_attacks_are_refused_in_a_restricted_pod(installed: Installed) -> None:
    installed.release.present()
    with stand_in(POD, *PYTEST, WITHOUT, *TESTS, serves=False):
        ended = {"Succeeded", "Failed"}
        kube.until(NAMESPACE, "pod", POD, holds=lambda pod: pod["status"]["phase"] in ended, seconds=SECONDS)
        told = kube.kubectl("-n", NAMESPACE, "logs", POD)
        phase = kube.get(NAMESPACE, "pod", POD)["status"]["phase"]
    print(f"\nin a restricted pod: {told.splitlines()[-1]}")
    assert phase == "Succeeded", told
    assert " skipped" not in told.splitlines()[-1]


def test_no_address_of_the_cluster_is_downloaded_from(installed: Installed) -> None:
    installed.release.present()
    installed.client.routed()
    api = pods("api")[0]["status"]["podIP"]
    for url in (STORAGE, API_SERVER, f"http://{RELEASE}-api.{NAMESPACE}.svc:8080/", f"http://{api}:8080/", METADATA):
        failed = installed.client.run(url).data[-1]
        assert failed["error"]["code"] == "forbidden_address", (url, failed)


def test_without_the_broker_the_policy_still_holds(installed: Installed) -> None:
    """The bucket, which workers may reach, is the canary: else the test above would prove nothing."""
    installed.release.present()
    installed.release.upgrade({"worker": {"replicas": 0}})
    settled("worker")
    with stand_in("open", "-m", "vidferry_worker", serves=True, egress_allow="0.0.0.0/0"):
        kube.until(NAMESPACE, "pod", "open", holds=lambda pod: container_of(pod).get("ready", False))
        codes = {url: installed.client.run(url).data[-1]["error"]["code"] for url in (STORAGE, API_SERVER, METADATA)}
    print(f"\nwithout the broker: {codes}")
    assert codes[STORAGE] not in {"forbidden_address", "network"}
    assert codes[API_SERVER] == codes[METADATA] == "network"
