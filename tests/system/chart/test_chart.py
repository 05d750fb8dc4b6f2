"""The chart as a whole: its version, what it says after an installation, what is kept in it."""

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import kubernetes
from support.chart import CHART, merged, nested, render
from support.tree import ROOT
from system.chart.value_sets import EXTERNAL_REDIS, GCS, KEYS, OIDC, OPEN, OWN_SECRETS, ingress


def test_it_installs_the_version_of_the_services() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for name in ("api", "worker", "ws-gateway"):
        project = tomllib.loads((ROOT / "services" / name / "pyproject.toml").read_text())["project"]
        assert chart["appVersion"] == project["version"]


def test_its_icon_is_the_pages_own() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    kind, _, picture = chart["icon"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    page = ROOT / "services" / "api" / "src" / "vidferry_api" / "page"
    assert base64.b64decode(picture) == (page / "favicon.svg").read_bytes()


def test_its_changes_are_what_artifact_hub_reads() -> None:
    """Source: https://artifacthub.io/docs/topics/annotations/helm/"""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    changes = yaml.safe_load(chart["annotations"]["artifacthub.io/changes"])
    assert {change["kind"] for change in changes} <= {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert all(change["description"] for change in changes)


def test_the_schema_explains_every_key() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["additionalProperties"] is False
    for name in ("replicas", "resources", "safeToEvict"):
        assert schema["properties"]["api"]["properties"][name]["description"]


def test_a_runtime_may_choose_the_user_of_all_pods() -> None:
    null = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    rendered = render(merged(nested("podSecurityContext", null), nested("redis.bundled.runAsUser", None)))
    for _, pod, _ in rendered.pods():
        assert pod["securityContext"].get("runAsUser") is None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, ["helm -n media test vidferry", "port-forward service/vidferry-api 3001", "bundled Redis"]),
        (
            merged(nested("image.registry", "r.example"), nested("redis.bundled.persistence.storageClass", "fast")),
            [
                "    r.example/vidferry-worker:0.2.0\n    r.example/vidferry-gateway:0.2.0\n",
                "    r.example/valkey/valkey:8.1\n",
                "vidferry-bucket: ReadWriteMany of the default class",
                "data-vidferry-redis-0: ReadWriteOnce of class fast",
                "get pods,pvc -l app.kubernetes.io/instance=vidferry",
            ],
        ),
        (
            merged(GCS, EXTERNAL_REDIS, nested("worker.work.storageClass", "fast")),
            ["get events", "vidferry-worker-*-work: ReadWriteOnce of class fast", "logs deployment/vidferry-worker"],
        ),
        (merged(GCS, ingress("gke")), ["trustedProxies=[130.211.0.0/22, 35.191.0.0/16, ADDRESS/32]"]),
        (
            ingress("nginx", path="/a"),
            ["Vidferry's URL is https://media.example.org/a/", "https://media.example.org/a/api/download"],
        ),
        (
            {},
            [
                "key=$(kubectl -n media get secret vidferry-first-key -o jsonpath='{.data.key}' | base64 -d)\n",
                'localhost:3001/api/download -H "Authorization: Bearer $key" -H',
                "put the entry into access.keys:",
                "exec deployment/vidferry-api -- python -m vidferry_api.access new --name ci --owner team-a",
            ],
        ),
        (KEYS, ["a key of `access.keys`", 'Bearer $key"']),
        (OWN_SECRETS, ["a key of the file in the Secret api-keys", 'Bearer $key"', "put the entry into the file:"]),
        (
            merged(OIDC, nested("access.firstKey", False)),
            ["The api asks for a token of https://id.example.org/realms/media for vidferry.", 'Bearer $key"'],
        ),
        (OIDC, ["get secret vidferry-first-key", "It also accepts tokens of https://id.example.org/realms/media"]),
        (OPEN, ["WARNING: access.mode is none.", "localhost:3001/api/download -H 'content-type"]),
    ],
    ids=[
        "inside",
        "volumes",
        "work volume",
        "gke",
        "ingress",
        "first key",
        "keys",
        "own secret",
        "tokens",
        "tokens and keys",
        "open",
    ],
)
def test_the_notes_tell_the_next_command(values: dict[str, Any], told: list[str], tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values))
    arguments = ["--namespace", "media", "--values", str(file), "--dry-run=client"]
    done = kubernetes.run("helm", "install", "vidferry", str(CHART), *arguments)
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    for each in told:
        assert each in notes
