"""A part of another chart: its globals are read, its condition is known, unknown keys are refused there too."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from support.chart import CHART, refusal, render_chart
from system.chart.value_sets import ingress

PARENT = """apiVersion: v2
name: platform
version: 1.0.0
dependencies:
  - {name: vidferry, version: "*", condition: vidferry.enabled}
"""


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    chart = tmp_path / "platform"
    shutil.copytree(CHART, chart / "charts" / "vidferry")
    (chart / "Chart.yaml").write_text(PARENT)
    return chart


def test_globals_are_read(parent: Path) -> None:
    rendered = render_chart(parent, {"global": {"imageRegistry": "r.example", "imagePullSecrets": [{"name": "key"}]}})
    pod = rendered.pod("api")
    assert pod["containers"][0]["image"].startswith("r.example/vidferry-api:")
    assert pod["imagePullSecrets"] == [{"name": "key"}]
    assert len(list(rendered.pods())) == 5


def test_its_own_registry_wins(parent: Path) -> None:
    values = {"global": {"imageRegistry": "r.example"}, "vidferry": {"image": {"registry": "own.example"}}}
    assert render_chart(parent, values).pod("api")["containers"][0]["image"].startswith("own.example/")


def test_the_condition_turns_it_off(parent: Path) -> None:
    assert render_chart(parent, {"vidferry": {"enabled": True}}).resources
    assert not render_chart(parent, {"vidferry": {"enabled": False}}).resources


@pytest.mark.parametrize(
    ("release", "aliases"),
    [
        ("vidferry", ("films", "clips")),
        ("films-and-clips", ("films", "clips")),
        ("films", ("films", "clips")),
        ("a-release-with-a-name-of-forty-characters", ("films", "clips")),
        ("a", ("an-alias-with-a-name-of-forty-characters-1", "an-alias-with-a-name-of-forty-characters-2")),
    ],
)
def test_two_of_it_in_one_parent_share_nothing(parent: Path, release: str, aliases: tuple[str, str]) -> None:
    described = PARENT.partition("dependencies:")[0] + "dependencies:\n"
    for alias in aliases:
        described += f'  - {{name: vidferry, version: "*", alias: {alias}, condition: {alias}.enabled}}\n'
    (parent / "Chart.yaml").write_text(described)
    values = {alias: {"metrics": {"podMonitor": {"enabled": True}}, **ingress("nginx", host=f"{alias[-9:]}.example")}
              for alias in aliases}  # fmt: skip
    rendered = render_chart(parent, values, release)
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered.resources]
    assert len(names) == len(set(names)) > 60
    assert all(len(name) <= 63 for _, name in names)
    pods = list(rendered.pods())
    assert len(pods) == 10
    for resource in rendered.resources:
        selector = _selector(resource)
        found = {name for name, _, labels in pods if selector and selector.items() <= labels.items()}
        of_one = found == {resource["metadata"]["name"].removesuffix("-headless")}
        assert not selector or of_one or resource["kind"] == "PodMonitor", (resource["metadata"]["name"], found)
        if resource["kind"] == "PodMonitor":
            assert len(found) == 5
    for name in {labels["app.kubernetes.io/name"] for _, _, labels in pods}:
        assert sum(labels["app.kubernetes.io/name"] == name for _, _, labels in pods) == 5


def _selector(resource: dict[str, Any]) -> dict[str, str]:
    spec = resource.get("spec", {})
    selector = spec.get("podSelector") or spec.get("selector") or {}
    found: dict[str, str] = selector.get("matchLabels", selector)
    return found


def test_unknown_keys_are_refused_there_too(parent: Path) -> None:
    assert "additional properties 'buket' not allowed" in refusal({"vidferry": {"buket": {}}}, parent)
