import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from cluster import around, kube
from cluster.client import Client, certificate
from cluster.events import Event, table
from cluster.release import Release
from cluster.settings import AROUND, NAMESPACE, ROOT


@dataclass
class Installed:
    """The release, from the first test that needs it on."""

    release: Release
    client: Client
    ready_seconds: float
    certificate: bytes
    before: set[str]
    """what was in the namespace"""
    begun: float
    """when helm was called, by the monotonic clock"""
    events: list[Event] = field(default_factory=list)


@pytest.fixture(scope="session")
def installed() -> Iterator[Installed]:
    assert os.environ.get("KUBECONFIG"), "KUBECONFIG must name a cluster that may be installed into"
    around.stop()  # what a run that was cut off has left
    standing = around.start()
    pem, key = certificate()
    for name in (NAMESPACE, AROUND):
        kube.apply(around.secret(name, "certificate", {"tls.crt": pem, "tls.key": key}, "kubernetes.io/tls"))
    release, client, before = Release(standing), Client(pem), kube.everything(NAMESPACE)
    begun = time.monotonic()
    found = Installed(release, client, release.install(), pem, before, begun)
    yield found
    client.close()
    print(f"\n\n{table(found.events)}")
    keep_logs()
    around.stop()


def keep_logs() -> None:
    """What the pods wrote and what became of them, for whoever looks for the cause of a failure."""
    folder = ROOT / "build" / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (NAMESPACE, AROUND):
        (folder / f"{name}.txt").write_text(kube.kubectl("-n", name, "get", "all,events", "-o", "wide"))
        for pod in kube.get(name, "pods"):
            log = ["-n", name, "logs", pod["metadata"]["name"], "--ignore-errors"]
            (folder / f"{pod['metadata']['name']}.log").write_text(kube.kubectl(*log))
