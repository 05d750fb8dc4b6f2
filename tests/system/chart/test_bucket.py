"""The bucket is the same for api and workers, and none of the gateway's."""

from typing import Any

import pytest

from support.chart import merged, nested, render
from system.chart.value_sets import GCS, GCS_KEY, S3, S3_IN_CLUSTER, SINGLE_NODE


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


def test_s3_by_the_pods_identity() -> None:
    """Its webhook adds the token, so the pods mount none of Kubernetes'."""
    role = "eks.amazonaws.com/role-arn"
    narrower = {"api": {"serviceAccount": {"annotations": {role: "arn:aws:iam::123456789012:role/reader"}}}}
    for values, apis in ((S3, "vidferry"), (merged(S3, narrower), "reader")):
        rendered = render(values)
        for name, wanted in (("api", apis), ("worker", "vidferry"), ("gateway", "")):
            annotations = rendered.get("ServiceAccount", name)["metadata"].get("annotations", {})
            assert annotations.get(role, "").rpartition("/")[2] == wanted
    for name in ("api", "worker", "gateway"):
        assert render(S3).pod(name)["automountServiceAccountToken"] is False
        assert not [variable for variable in environment(S3, name) if variable.startswith("AWS_")]
    settings = render(S3).settings("worker")
    assert {variable: value for variable, value in settings.items() if "S3" in variable or "BUCKET" in variable} == {
        "VIDFERRY_BUCKET": "s3://videos/media",
        "VIDFERRY_S3_ADDRESSING": "auto",
        "VIDFERRY_S3_REGION": "eu-central-1",
        "VIDFERRY_S3_KMS_KEY": "alias/videos",
        "VIDFERRY_S3_STORAGE_CLASS": "INTELLIGENT_TIERING",
    }


@pytest.mark.parametrize("name", ["api", "worker", "gateway"])
def test_s3_by_an_access_key(name: str) -> None:
    """Of a Secret, whose session token may be missing; the gateway has neither the key nor the bucket."""
    found = {variable: ref for variable, ref in environment(S3_IN_CLUSTER, name).items() if variable.startswith("AWS_")}
    variables = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    secret = {variable: {"name": "s3-key", "key": variable} for variable in variables}
    secret["AWS_SESSION_TOKEN"]["optional"] = True  # type: ignore[assignment]
    assert found == (secret if name != "gateway" else {})
    volumes = {each["name"]: each for each in render(S3_IN_CLUSTER).pod(name)["volumes"]}
    assert ("s3-ca" in volumes) == (name != "gateway")
    assert ("VIDFERRY_S3_CA_FILE" in render(S3_IN_CLUSTER).settings(name)) == (name != "gateway")


def environment(values: dict[str, Any], name: str) -> dict[str, Any]:
    """The Secrets' keys that variables come from."""
    (container,) = render(values).pod(name)["containers"]
    return {each["name"]: each["valueFrom"].get("secretKeyRef") for each in container["env"] if "valueFrom" in each}


def test_the_store_s_certificates_may_be_in_a_config_map() -> None:
    given = {"caSecret": "", "caConfigMap": "bundle", "caKey": "ca-bundle.crt"}
    pod = render(merged(S3_IN_CLUSTER, nested("bucket.s3", given))).pod("worker")
    (volume,) = [each for each in pod["volumes"] if each["name"] == "s3-ca"]
    assert volume["configMap"] == {"name": "bundle", "items": [{"key": "ca-bundle.crt", "path": "ca.crt"}]}
    assert {"name": "s3-ca", "mountPath": "/etc/vidferry/s3", "readOnly": True} in pod["containers"][0]["volumeMounts"]


def test_a_signing_key_of_ones_own_makes_none() -> None:
    assert render().all("Secret", "signing")
    assert not render(nested("bucket.signingKey.existingSecret", "mine")).all("Secret", "signing")


@pytest.mark.parametrize("given", [10**12, "1T", "1000G"])
def test_the_bytes_of_retention_are_a_number_or_a_quantity(given: int | str) -> None:
    settings = render(nested("bucket.retention.bytes", given)).settings("worker")
    assert settings["VIDFERRY_RETENTION_BYTES"] == "1000000000000"
    assert "VIDFERRY_RETENTION_BYTES" not in render().settings("api")
