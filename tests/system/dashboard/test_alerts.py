"""The chart's alerts, by Prometheus' own tools: each fires at its fault alone, and ends with it."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from support.alerts import write_rules
from system.dashboard.scenarios import SCENARIOS, Scenario
from system.dashboard.server import program

pytestmark = pytest.mark.dashboard


def promtool(*arguments: str) -> str:
    """What it prints; fails where it finds fault."""
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rules(tmp_path_factory.mktemp("rules"))


def test_prometheus_takes_the_rules(rules: Path) -> None:
    count = sum(len(group["rules"]) for group in yaml.safe_load(rules.read_text())["groups"])
    assert f"{count} rules found" in promtool("check", "rules", str(rules))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_a_fault_fires_its_alerts_and_no_others(scenario: Scenario, rules: Path, tmp_path: Path) -> None:
    test = {"rule_files": [str(rules)], "evaluation_interval": f"{scenario.step}m", "tests": [scenario.test()]}
    (tmp_path / "test.yml").write_text(json.dumps(test))  # JSON is YAML
    promtool("test", "rules", str(tmp_path / "test.yml"))


def test_each_alert_has_a_fault(rules: Path) -> None:
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(rules.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert {name for each in SCENARIOS for name in each.fires} == alerts
