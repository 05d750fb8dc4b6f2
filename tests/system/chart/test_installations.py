"""Each way to install it makes what Kubernetes takes, runs restricted, and hangs together."""

from typing import Any

import pytest

from support import kubernetes
from support.chart import CHART, NAMESPACE, Rendered, render
from system.chart import restricted, schemas
from system.chart.value_sets import SETS


@pytest.fixture(params=SETS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return render(SETS[request.param])


def test_lint_finds_nothing() -> None:
    done = kubernetes.run("helm", "lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", schemas.VERSIONS)
def test_kubernetes_takes_it(rendered: Rendered, version: str) -> None:
    for resource in rendered.resources:
        schemas.check(resource, version)


def test_a_wrong_resource_would_be_noticed() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selectors": {}}}
    with pytest.raises(AssertionError, match="selectors"):
        schemas.check(service, "1.37.0")
    scaled: dict[str, Any] = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "a"}}
    with pytest.raises(AssertionError, match="spec"):
        schemas.check(scaled, "1.37.0")


def test_every_kind_of_others_is_made() -> None:
    made = {f"{each['apiVersion']} {each['kind']}" for values in SETS.values() for each in render(values).resources}
    assert set(schemas.OTHERS) <= made


def test_all_pods_are_restricted(rendered: Rendered) -> None:
    pods = list(rendered.pods())
    assert len(pods) >= 4
    for _, spec, _ in pods:
        restricted.check(spec)


def test_all_is_in_its_namespace_and_labelled(rendered: Rendered) -> None:
    named = [each for each in rendered.resources if each["metadata"]["name"] != "more"]
    assert {each["metadata"]["namespace"] for each in named} == {NAMESPACE}
    for each in named:
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "vidferry"
        assert labels["app.kubernetes.io/version"] == labels["helm.sh/chart"].removeprefix("vidferry-")


def test_no_two_are_the_same(rendered: Rendered) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered.resources]
    assert len(names) == len(set(names))


def test_selectors_find_their_pods_alone(rendered: Rendered) -> None:
    labels = {name: labels for name, _, labels in rendered.pods()}
    for resource in rendered.all("Deployment") + rendered.all("StatefulSet"):
        assert _selected(resource["spec"]["selector"], labels) == [resource["metadata"]["name"]]
    for resource in rendered.all("PodDisruptionBudget"):
        assert _selected(resource["spec"]["selector"], labels) == [resource["metadata"]["name"]]
    for resource in rendered.all("NetworkPolicy"):
        assert _selected(resource["spec"]["podSelector"], labels) == [resource["metadata"]["name"]]
    for resource in rendered.all("Service"):
        if resource["metadata"]["name"] != "vidferry-metrics":
            found = _selected({"matchLabels": resource["spec"]["selector"]}, labels)
            assert found == [resource["metadata"]["name"].removesuffix("-headless")]


def test_what_pods_refer_to_is_made_or_named_by_values(rendered: Rendered) -> None:
    outside = {"gcs-key", "redis-secret", "redis-authority", "sentinel-secret", "videos"}
    outside |= {"s3-key", "s3-authority", "api-keys", "ticket-secret", "test-key"}
    made = {(each["kind"], each["metadata"]["name"]) for each in rendered.resources}
    for _, spec, _ in rendered.pods():
        for kind, name in _references(spec):
            assert (kind, name) in made or name in outside, f"{kind} {name}"


def _references(spec: dict[str, Any]) -> list[tuple[str, str]]:
    found = [("ServiceAccount", spec["serviceAccountName"])] if "serviceAccountName" in spec else []
    for volume in spec["volumes"]:
        if "secret" in volume:
            found.append(("Secret", volume["secret"]["secretName"]))
        if "configMap" in volume:
            found.append(("ConfigMap", volume["configMap"]["name"]))
        if "persistentVolumeClaim" in volume:
            found.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    for container in spec["containers"]:
        found += [("ConfigMap", source["configMapRef"]["name"]) for source in container.get("envFrom", ())]
        secrets = [each["valueFrom"].get("secretKeyRef") for each in container["env"] if "valueFrom" in each]
        found += [("Secret", secret["name"]) for secret in secrets if secret]
    return found


def _selected(selector: dict[str, Any], pods: dict[str, dict[str, str]]) -> list[str]:
    wanted = selector["matchLabels"].items()
    return [name for name, labels in pods.items() if wanted <= labels.items()]
