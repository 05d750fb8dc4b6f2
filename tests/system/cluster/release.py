"""Vidferry as helm installs it, with the values of the tests."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from system.cluster import kube
from system.cluster.around import BUCKET, ORIGIN, STORAGE, Around
from system.cluster.keys import CLIENTS
from system.cluster.settings import CHART, CLASS, CONTROLLER, HOST, INGRESS_SERVICE, NAMESPACE, RELEASE, image, tag

SLOTS = 8
"""of one worker: somewhat more than people have jobs at once, so that none of them waits in the queue"""
SELECTOR, COMPONENT = f"app.kubernetes.io/instance={RELEASE}", "app.kubernetes.io/component"
SERVICES = ("api", "worker", "gateway")
GRACE = 30
"""seconds that a worker's downloads are given; those of the tests take less"""


def values(around: Around) -> dict[str, Any]:
    """A pod of each; requests that let three of each be on a small node."""
    services = {
        name: {
            "image": {"repository": image(name), "tag": tag(name)},
            "replicas": 1,
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        }
        for name in SERVICES
    }
    services["worker"] |= {
        "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "3Gi"}},
        "grace": GRACE,
        "slots": SLOTS,
        "childMemory": "320Mi",
        "settings": {
            "VIDFERRY_RETRIES": 1,
            "VIDFERRY_RETRY_DELAY": 1,
            "VIDFERRY_SITE_SHARE": 1,
            "VIDFERRY_CALLER_SHARE": 1,
        },
        "maxBytes": "64Mi",
        "work": {"sizeLimit": "3Gi"},
        "egressAllow": [f"{around.origin_ip}/32"],
    }
    redis_image = {"repository": image("test"), "tag": tag("test")}
    return {
        **services,
        "access": {"keys": [CLIENTS]},
        "redis": {"bundled": {"image": redis_image, "persistence": {"size": "1Gi", "keep": False}}},
        "bucket": {
            "type": "gcs",
            "gcs": {"name": BUCKET, "endpoint": STORAGE, "iamEndpoint": STORAGE, "existingSecret": "bucket-key"},
        },
        "networkPolicy": {"bucketRanges": [f"{around.bucket_ip}/32"]},
        "traffic": {"controller": CONTROLLER},
        "ingress": {
            "enabled": True,
            "host": HOST,
            "tls": {"enabled": True, "secretName": "certificate"},
            **({"className": CLASS} if CLASS else {}),
        },
        "tests": {
            "origin": f"{ORIGIN}/u/helm/media/clip.mp4",
            "public": {"connectTo": INGRESS_SERVICE, "checkCertificate": False},
        },
        "log": {"level": "debug"},
    }


class Release:
    def __init__(self, around: Around, *changes: Mapping[str, Any]) -> None:
        self._first = values(around)
        for change in changes:
            self._first = merged(self._first, change)
        self._values = self._first

    def install(self) -> float:
        """Seconds until all pods are ready."""
        begun = time.monotonic()
        self._helm("install")
        return time.monotonic() - begun

    def present(self) -> None:
        """As it was installed at first, also where it was changed or uninstalled since; settled."""
        self._values = self._first
        self._helm("upgrade", "--install")
        for name in SERVICES:
            settled(name)

    def upgrade(self, *changes: Mapping[str, Any]) -> None:
        """With what changes; returns when all pods are the new ones and ready."""
        for change in changes:
            self._values = merged(self._values, change)
        self._helm("upgrade")

    def fails_to_upgrade(self, change: Mapping[str, Any], seconds: int) -> None:
        """With a change that is not kept, whose pods helm waits for in vain."""
        try:
            self._helm("upgrade", values=merged(self._values, change), seconds=seconds)
        except kube.CommandFailed:
            return
        raise AssertionError("helm has upgraded to what can't start")

    def roll_back(self) -> None:
        """To the revision before."""
        kube.run("helm", "rollback", RELEASE, "--namespace", NAMESPACE, "--wait", f"--timeout={kube.WAIT_SECONDS}s")

    def uninstall(self) -> None:
        kube.run("helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", f"--timeout={kube.WAIT_SECONDS}s")

    def _helm(self, *verb: str, values: Mapping[str, Any] | None = None, seconds: float = kube.WAIT_SECONDS) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(values or self._values, file)
            file.flush()
            kube.run(
                "helm", *verb, RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", file.name, "--wait",
                f"--timeout={seconds}s",
            )  # fmt: skip


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The second wins; mappings are merged."""
    result = dict(first)
    for name, value in second.items():
        known = result.get(name)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[name] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def pods(component: str) -> list[dict[str, Any]]:
    """Those of a service that nothing stops."""
    return [pod for pod in _all(component) if "deletionTimestamp" not in pod["metadata"]]


def settled(component: str) -> None:
    """Returns when those that were told to stop are gone."""
    leaving = [f"pod/{pod['metadata']['name']}" for pod in _all(component) if "deletionTimestamp" in pod["metadata"]]
    if leaving:
        kube.kubectl("-n", NAMESPACE, "wait", "--for=delete", *leaving, f"--timeout={kube.WAIT_SECONDS}s")


def ready(component: str) -> None:
    """Returns when it has all pods that it should have, and all are ready."""
    what = f"deployment/{RELEASE}-{component}"
    kube.kubectl("-n", NAMESPACE, "rollout", "status", what, f"--timeout={kube.WAIT_SECONDS}s")


def _all(component: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kube.get(NAMESPACE, "pods", "-l", f"{SELECTOR},{COMPONENT}={component}")
    return found


def pod(component: str) -> str:
    return str(pods(component)[0]["metadata"]["name"])


def replicas(deployment: dict[str, dict[str, int]]) -> int:
    return deployment["spec"].get("replicas", 1)


@contextmanager
def counting(*what: str) -> Iterator[list[int]]:
    """The numbers of pods that a Deployment is told to have, as they change."""
    counted: list[int] = []
    with ThreadPoolExecutor(1) as pool, kube.watching(NAMESPACE, *what, seconds=900) as states:
        pool.submit(lambda: counted.extend(replicas(state) for state in states))
        yield counted


def log(pod_name: str, message: str) -> list[dict[str, Any]]:
    """The entries of a pod's log with that message."""
    lines = kube.kubectl("-n", NAMESPACE, "logs", pod_name).splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return [entry for entry in entries if entry["message"] == message]


def time_of(entry: Mapping[str, Any]) -> float:
    """When it was logged, in seconds since 1970."""
    return datetime.fromisoformat(entry["timestamp"]).timestamp()
