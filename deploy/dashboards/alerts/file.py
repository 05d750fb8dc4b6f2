"""The file from which the chart makes its PrometheusRule."""

from typing import Any

import yaml

from alerts.causes import CAUSES
from alerts.objectives import budget_alerts, recording_rules

HEAD = "# Made by `make docs` from deploy/dashboards/alerts/. The chart puts its values in place of names between @.\n"


def text() -> str:
    groups: dict[str, list[dict[str, Any]]] = {
        "vidferry-objectives": recording_rules(),
        "vidferry-budgets": [each.rule() for each in budget_alerts()],
        "vidferry-causes": [each.rule() for each in CAUSES],
    }
    content = {"groups": [{"name": name, "rules": rules} for name, rules in groups.items()]}
    return HEAD + yaml.dump(content, sort_keys=False, width=10_000, allow_unicode=True)
