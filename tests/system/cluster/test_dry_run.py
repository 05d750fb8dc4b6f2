"""The API server of the cluster that KUBECONFIG names takes what the chart makes. Nothing is kept there."""

import json
from functools import cache

import pytest

from support import kubernetes
from support.chart import render
from system.chart.value_sets import SETS

pytestmark = pytest.mark.cluster
NAMESPACE = "default"


@pytest.mark.parametrize("name", SETS)
def test_the_api_server_takes_it(name: str) -> None:
    items = [
        {**each, "metadata": {**each["metadata"], "namespace": NAMESPACE}}
        for each in render(SETS[name]).resources
        if each["apiVersion"] in served()
    ]
    assert {"Deployment", "Pod"} <= {each["kind"] for each in items}
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    done = kubernetes.run("kubectl", "apply", "--dry-run=server", "--validate=strict", "--filename=-", text=objects)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(server dry run)") == len(items)
    assert "Warning" not in done.stderr


@cache
def served() -> set[str]:
    """Kinds of others are served where they are installed; tests/system/chart checks them without."""
    done = kubernetes.run("kubectl", "api-versions")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
