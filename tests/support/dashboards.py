"""The dashboards that the chart ships, as Grafana reads them."""

import json
import re
from collections.abc import Iterator
from typing import Any

from support.tree import ROOT

FOLDER = ROOT / "deploy" / "helm" / "vidferry" / "dashboards"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return found


def load_all() -> dict[str, dict[str, Any]]:
    """All of them by their files' names, without the ending."""
    return {path.stem: load(path.name) for path in sorted(FOLDER.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each panel's title and PromQL, with Grafana's variables as they are with All and a short range."""
    for panel in panels(board):
        for target in panel["targets"]:
            text = re.sub(r"\$__(rate_interval|range)\b", "1m", target["expr"]).replace("$namespace", ".*")
            assert "$" not in text, text
            yield f"{panel['title']} {target['refId']}", text
