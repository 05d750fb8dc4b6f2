"""The alerts of the chart's PrometheusRule, as Prometheus reads them from a file."""

from pathlib import Path
from typing import Any

import yaml

from support.chart import CHART, NAMESPACE, render_chart


def groups(namespace: str = NAMESPACE, **thresholds: float) -> list[dict[str, Any]]:
    """Those of a release in that namespace, with other thresholds than the chart's."""
    values = {"metrics": {"alerts": {"enabled": True, "thresholds": thresholds}}}
    rule = render_chart(CHART, values, namespace=namespace).get("PrometheusRule")
    found: list[dict[str, Any]] = rule["spec"]["groups"]
    return found


def write_rules(folder: Path, hold: str = "") -> Path:
    """hold: for how long an expression must be true before its alert fires; as the chart says where none is given."""
    found = groups()
    for rule in (rule for group in found for rule in group["rules"] if "alert" in rule):
        rule["for"] = hold or rule["for"]
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": found}, sort_keys=False))
    return path
