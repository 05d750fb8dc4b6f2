"""What the operator sets for sites: rules and cookies, which only the workers have."""

import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from system.cluster import kube
from system.cluster.around import ORIGIN, secret
from system.cluster.client import Client
from system.cluster.conftest import Installed
from system.cluster.origin import Corner
from system.cluster.release import COMPONENT, SELECTOR, log, pod, pods
from system.cluster.settings import NAMESPACE, RELEASE
from vidferry_common.contract.messages import PARKED

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
WORKERS, DOWNLOADS, MOST = 2, 5, 2
"""pods; downloads of the site; those that may run at the same time"""
SITE = "cluster.local"
"""the registered domain of the origin's name, and of all names in the cluster"""
HOST = ORIGIN.removeprefix("http://").partition(":")[0]
AGENT, NEW_AGENT = "Vidferry-Test/1.0", "Vidferry-Test/2.0"
COOKIES = "cookies"
FOLDERS = ["/etc/vidferry/cookies", "/etc/vidferry/sites"]
SETTINGS = ["VIDFERRY_COOKIES_DIR", "VIDFERRY_SITES_FILE"]
SEEN = f"""
import json, os
found = [path for path in {FOLDERS} if os.path.exists(path)]
print(json.dumps(found + [name for name in {SETTINGS} if name in os.environ]))
"""
"""prints which of them a container has"""


def rules(agent: str) -> dict[str, Any]:
    return {"worker": {"sites": {"rules": {SITE: {"downloads": MOST, "user_agent": agent}}}}}


def cookie(name: str) -> bytes:
    """A file of the cookie by which the origin knows somebody."""
    line = f"{HOST}\tFALSE\t/\tFALSE\t{int(time.time()) + 86400 * 30}\tsession\tsecret-of-{name}\n"
    return f"# Netscape HTTP Cookie File\n{line}".encode()


def hint(component: str) -> None:
    """Has the kubelet look at the Secrets of pods at once, as it does whenever a pod changes."""
    selector, change = f"{SELECTOR},{COMPONENT}={component}", f"secrets-changed={time.time()}"
    kube.kubectl("-n", NAMESPACE, "annotate", "pods", "-l", selector, "--overwrite", change)


def status(client: Client, credential: str) -> int:
    """Of the answer to a request for a probe with a credential."""
    asked = {"url": f"{ORIGIN}/status/404", "credential": credential}
    return client.request("POST", "/api/probes?wait=0", json=asked).status_code


@pytest.fixture(scope="module")
def set_up(installed: Installed) -> Iterator[Installed]:
    files = {f"{HOST}.txt": cookie("everybody"), f"alice_{HOST}.txt": cookie("alice")}
    kube.apply(secret(NAMESPACE, COOKIES, files))
    installed.release.present()
    installed.release.upgrade(
        rules(AGENT),
        {"worker": {"replicas": WORKERS, "cookies": {"existingSecret": COOKIES}}},
        {"access": {"credentials": {"tests": ["alice"]}}},
    )
    hint("api")  # whose file of keys says who may use the credential
    kube.until_nothing(lambda: ["alice"] if status(installed.client, "alice") == HTTPStatus.FORBIDDEN else [])
    installed.client.routed()
    yield installed
    installed.release.present()
    kube.kubectl("-n", NAMESPACE, "delete", "secret", COOKIES)


def test_only_workers_have_rules_and_cookies(set_up: Installed) -> None:
    seen = {name: json.loads(kube.python(NAMESPACE, pod(name), SEEN)) for name in ("api", "gateway", "worker")}
    assert len(seen.pop("worker")) == len(FOLDERS) + len(SETTINGS)
    assert seen == {"api": [], "gateway": []}
    mounted = {
        name: {volume["secret"]["secretName"] for volume in pods(name)[0]["spec"]["volumes"] if "secret" in volume}
        for name in ("api", "gateway", "worker")
    }
    kept = {COOKIES, f"{RELEASE}-sites"}
    assert {name: found & kept for name, found in mounted.items()} == {"api": set(), "gateway": set(), "worker": kept}


def test_a_download_is_signed_in_by_the_cookies_in_a_secret(set_up: Installed) -> None:
    """Those for everybody, or those of a credential."""
    client, corner = set_up.client, Corner()
    everybodys, alices = (corner.url(f"/signed-in/{name}/clip.mp4") for name in ("everybody", "alice"))
    assert client.run(everybodys).data[-1]["status"] == "completed"
    assert client.run(alices).data[-1]["error"]["code"] == "credential_refused"
    assert client.run(alices, credential="alice").data[-1]["status"] == "completed"
    assert status(client, "bob") == HTTPStatus.FORBIDDEN
    logs = "".join(
        kube.kubectl("-n", NAMESPACE, "logs", "-l", f"{SELECTOR},{COMPONENT}={name}", "--tail=-1")
        for name in ("api", "gateway", "worker")
    )
    assert "credential_refused" in logs
    assert "secret-of-" not in logs


def test_rules_hold_over_all_workers(set_up: Installed) -> None:
    client, corner = set_up.client, Corner()
    jobs = [client.post(corner.url(f"/gated/held/clip.mp4?{number}")) for number in range(DOWNLOADS)]
    corner.wait_held("held", MOST)

    def waiting() -> list[dict[str, Any]]:
        return [told for job in jobs if (told := client.job(job))["message"] == PARKED]

    kube.until_nothing(lambda: [] if len(waiting()) == DOWNLOADS - MOST else ["not yet told"])
    assert len({one["target"] for one in corner.requests()}) == MOST
    corner.open("held")
    assert {end["status"] for end in client.ended(jobs)} == {"completed"}
    assert {one["headers"]["user-agent"] for one in corner.requests()} == {AGENT}


def test_changed_rules_take_effect_without_a_restart(set_up: Installed) -> None:
    client, corner = set_up.client, Corner()
    before = {one["metadata"]["uid"] for one in pods("worker")}
    begun = time.monotonic()
    set_up.release.upgrade(rules(NEW_AGENT))
    hint("worker")
    names = [one["metadata"]["name"] for one in pods("worker")]
    kube.until_nothing(lambda: [name for name in names if len(log(name, "read the sites file")) < 2])
    print(f"\nrules of sites: read by all workers {time.monotonic() - begun:.0f} s after `helm upgrade` had begun")
    assert client.run(corner.url("/media/clip.mp4")).data[-1]["status"] == "completed"
    assert {one["headers"]["user-agent"] for one in corner.requests()} == {NEW_AGENT}
    assert {one["metadata"]["uid"] for one in pods("worker")} == before
