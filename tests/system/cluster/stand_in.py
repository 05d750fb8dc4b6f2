"""A pod that stands in for a worker's: all that the chart gives those, and another program in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from system.cluster import kube
from system.cluster.settings import NAMESPACE, RELEASE, image, tag

PYTHON = "/opt/vidferry/bin/python"
"""the worker's, which finds the tests and what they need by PATHS"""
PATHS = {"name": "PYTHONPATH", "value": "/opt/tests:/opt/support/packages"}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@contextmanager
def stand_in(name: str, *arguments: str, serves: bool, **settings: str) -> Iterator[None]:
    """A pod of the worker's Deployment's template, whose Python is given these arguments; removed afterwards.

    It serves as a worker, with its settings, some of them others, and its probes, and starts again whenever it ends; or
    it ends by itself, and is told nothing.
    """
    template = kube.get(NAMESPACE, "deployment", f"{RELEASE}-worker")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    container |= {"image": f"{image('test')}:{tag('test')}", "command": [PYTHON, *arguments]}
    if serves:
        others = [{"name": f"VIDFERRY_{name.upper()}", "value": value} for name, value in settings.items()]
        container["env"] = [*container.get("env", []), PATHS, *others]
    else:
        container |= {"env": [PATHS], "envFrom": []}
        for probe in PROBES:
            del container[probe]
    spec = template["spec"] | {"restartPolicy": "Always" if serves else "Never"}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
    kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    try:
        yield
    finally:
        kube.kubectl("-n", NAMESPACE, "delete", "pod", name, "--grace-period=1", f"--timeout={kube.WAIT_SECONDS}s")


def container_of(pod: dict[str, Any]) -> dict[str, Any]:
    """The state of its only container; empty before there is one."""
    (found,) = pod["status"].get("containerStatuses") or [{}]
    return dict(found)
