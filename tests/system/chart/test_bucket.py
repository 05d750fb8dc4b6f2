"""The bucket is the same for api and workers, and none of the gateway's."""

import pytest

from support.chart import nested, render
from system.chart.value_sets import GCS, GCS_KEY, SINGLE_NODE


def test_a_folder_is_one_volume_for_api_and_workers() -> None:
    rendered = render()
    for name in ("api", "worker"):
        assert rendered.settings(name)["VIDFERRY_BUCKET"] == "file:///bucket"
        (container,) = rendered.pod(name)["containers"]
        assert {"name": "bucket", "mountPath": "/bucket"} in container["volumeMounts"]
    assert "VIDFERRY_BUCKET" not in rendered.settings("gateway")
    assert [volume["name"] for volume in rendered.pod("gateway")["volumes"]] == ["tmp"]
    claim = rendered.get("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_a_volume_of_one_node_keeps_its_users_together() -> None:
    rendered = render(SINGLE_NODE)
    for name in ("api", "worker"):
        (term,) = rendered.pod(name)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        assert term["labelSelector"]["matchExpressions"][0]["values"] == ["api", "worker"]
    assert "affinity" not in rendered.pod("gateway")
    assert "affinity" not in render().pod("api")


def test_cloud_storage_by_the_pods_identity() -> None:
    rendered = render(GCS)
    for name in ("api", "worker", "gateway"):
        annotations = rendered.get("ServiceAccount", name)["metadata"].get("annotations", {})
        assert ("iam.gke.io/gcp-service-account" in annotations) == (name != "gateway")
    assert not rendered.all("PersistentVolumeClaim")
    assert not rendered.all("Secret", "signing")
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in rendered.settings("api")


def test_cloud_storage_by_a_key() -> None:
    rendered = render(GCS_KEY)
    for name in ("api", "worker"):
        assert rendered.settings(name)["GOOGLE_APPLICATION_CREDENTIALS"] == "/etc/vidferry/gcs/credentials.json"
        (volume,) = [each for each in rendered.pod(name)["volumes"] if each["name"] == "gcs"]
        assert volume["secret"]["items"] == [{"key": "credentials.json", "path": "credentials.json"}]


def test_a_signing_key_of_ones_own_makes_none() -> None:
    assert render().all("Secret", "signing")
    assert not render(nested("bucket.signingKey.existingSecret", "mine")).all("Secret", "signing")


@pytest.mark.parametrize("given", [10**12, "1T", "1000G"])
def test_the_bytes_of_retention_are_a_number_or_a_quantity(given: int | str) -> None:
    settings = render(nested("bucket.retention.bytes", given)).settings("worker")
    assert settings["VIDFERRY_RETENTION_BYTES"] == "1000000000000"
    assert "VIDFERRY_RETENTION_BYTES" not in render().settings("api")
