"""The chart as a whole: its version, what it says after an installation, what is kept in it."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.value_sets import ingress
from support import kubernetes
from support.chart import CHART, merged, nested, render

ROOT = Path(__file__).parents[2]


def test_it_installs_the_version_of_the_services() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for name in ("api", "worker", "ws-gateway"):
        project = tomllib.loads((ROOT / "services" / name / "pyproject.toml").read_text())["project"]
        assert chart["appVersion"] == project["version"]


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
            ingress("nginx", path="/a"),
            ["It is at https://media.example.org/a/", "https://media.example.org/a/api/download"],
        ),
    ],
    ids=["inside", "ingress"],
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
