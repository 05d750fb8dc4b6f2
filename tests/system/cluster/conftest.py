import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.tree import ROOT
from system.cluster import around, kube
from system.cluster.around import Around
from system.cluster.client import Client, certificate
from system.cluster.release import Release
from system.cluster.settings import AROUND, NAMESPACE


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


@dataclass
class Standing:
    """What is there without a release."""

    around: Around
    certificate: bytes
    client: Client


@pytest.fixture(scope="session")
def standing() -> Iterator[Standing]:
    assert os.environ.get("KUBECONFIG"), "KUBECONFIG must name a cluster that may be installed into"
    around.stop()  # what a run that was cut off has left
    found = around.start()
    pem, key = certificate()
    for name in (NAMESPACE, AROUND):
        kube.apply(around.secret(name, "certificate", {"tls.crt": pem, "tls.key": key}, "kubernetes.io/tls"))
    client = Client(pem)
    yield Standing(found, pem, client)
    client.close()
    keep_logs()
    around.stop()


@pytest.fixture(scope="session")
def installed(standing: Standing) -> Installed:
    release, before = Release(standing.around), kube.everything(NAMESPACE)
    begun = time.monotonic()
    return Installed(release, standing.client, release.install(), standing.certificate, before, begun)


def keep_logs() -> None:
    """What the pods wrote and what became of them, for whoever looks for the cause of a failure."""
    folder = ROOT / "build" / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (NAMESPACE, AROUND):
        (folder / f"{name}.txt").write_text(kube.kubectl("-n", name, "get", "all,events", "-o", "wide"))
        for pod in kube.get(name, "pods"):
            log = ["-n", name, "logs", pod["metadata"]["name"], "--ignore-errors"]
            (folder / f"{pod['metadata']['name']}.log").write_text(kube.kubectl(*log))
