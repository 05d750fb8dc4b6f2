"""A part of another chart: its globals are read, its condition is known, unknown keys are refused there too."""

import shutil
from pathlib import Path

import pytest

from support.chart import CHART, refusal, render

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
    rendered = render({"global": {"imageRegistry": "r.example", "imagePullSecrets": [{"name": "key"}]}}, parent)
    pod = rendered.pod("api")
    assert pod["containers"][0]["image"].startswith("r.example/vidferry-api:")
    assert pod["imagePullSecrets"] == [{"name": "key"}]
    assert len(list(rendered.pods())) == 5


def test_its_own_registry_wins(parent: Path) -> None:
    values = {"global": {"imageRegistry": "r.example"}, "vidferry": {"image": {"registry": "own.example"}}}
    assert render(values, parent).pod("api")["containers"][0]["image"].startswith("own.example/")


def test_the_condition_turns_it_off(parent: Path) -> None:
    assert render({"vidferry": {"enabled": True}}, parent).resources
    assert not render({"vidferry": {"enabled": False}}, parent).resources


def test_unknown_keys_are_refused_there_too(parent: Path) -> None:
    assert "additional properties 'buket' not allowed" in refusal({"vidferry": {"buket": {}}}, parent)
