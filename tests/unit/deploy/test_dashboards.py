"""The dashboards against the definitions. tests/system/dashboard asks a real Prometheus what its queries give."""

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from support.chart import CHART
from support.dashboards import load_all, panels, queries
from vidferry_common.metrics.catalogue import METRICS, PROCESS
from vidferry_common.metrics.definitions import Kind

BOARDS = load_all()
UIDS = {
    "api": "vidferry-api",
    "gateway": "vidferry-gateway",
    "overview": "vidferry-overview",
    "progress-and-latency": "vidferry-progress-latency",
    "redis-and-queue": "vidferry-redis-queue",
    "workers-and-sites": "vidferry-workers-sites",
}
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
SERIES = {
    name: each
    for each in (*METRICS, *PROCESS)
    for name in (
        [each.name + ending for ending in ("_bucket", "_sum", "_count")] if each.kind is Kind.HISTOGRAM else [each.name]
    )
}
TARGET_LABELS = {"namespace", "pod"}
"""which Prometheus adds for a pod"""


def test_each_is_found_by_a_stable_name() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == UIDS


@each_board
def test_it_takes_any_data_source_and_links_to_the_others(board: dict[str, Any]) -> None:
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["namespace"]["datasource"]["uid"] == "${datasource}"
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels(board))
    (link,) = board["links"]
    assert (link["type"], link["tags"]) == ("dashboards", board["tags"])
    assert link["keepTime"]
    assert link["includeVars"]


@each_board
def test_latencies_name_traces_and_lead_to_them(board: dict[str, Any]) -> None:
    buckets = [f"{each.name}_bucket" for each in METRICS if each.exemplars]
    graphs = [panel for panel in panels(board) if panel["type"] == "timeseries"]
    for panel in graphs:
        quantiles = (re.match(r"histogram_quantile\(.*?(\w+)\{", target["expr"]) for target in panel["targets"])
        of_latency = [found is not None and found[1] in buckets for found in quantiles]
        assert [target.get("exemplar", False) for target in panel["targets"]] == of_latency
        links = panel.get("links") or []
        assert len(links) == any(of_latency)
        for link in links:
            panes = json.loads(unquote(re.sub(r"\$\{__(from|to)\}", "1", link["url"]).partition("panes=")[2]))
            assert panes["traces"]["datasource"] == "${traces}"
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert (variables["traces"]["type"], variables["traces"]["query"]) == ("datasource", "tempo")


@each_board
def test_every_panel_says_what_it_shows(board: dict[str, Any]) -> None:
    shown = panels(board)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({(panel["title"], panel["type"]) for panel in shown}) == len(shown) >= 10
    for panel in shown:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in {"short", "s", "Bps", "ops", "reqps", "percentunit", "bytes"}


def test_all_that_was_asked_for_is_on_progress_and_latency() -> None:
    shown = " ".join(expression for _, expression in queries(BOARDS["progress-and-latency"]))
    for name in (
        "queue_wait_seconds", "queue_downloads", "queue_oldest_waiting", "stage_duration", "download_duration",
        "message_latency", "downloads_finished_total", "sockets{", "sockets_closed_total", "retries_total",
    ):  # fmt: skip
        assert name in shown


@pytest.mark.parametrize(
    "expression", [query for board in BOARDS.values() for _, query in queries(board)], ids=lambda each: each[:40]
)
def test_queries_name_what_is_exported(expression: str) -> None:
    names = set(re.findall(r"\b(?:vidferry|process)_\w+", expression))
    assert names <= SERIES.keys()
    known = {label.name for name in names for label in SERIES[name].labels} | TARGET_LABELS
    assert set(re.findall(r"(\w+)=~?\"", expression)) - {"le"} <= known
    grouped = {label for found in re.findall(r"\bby \(([^)]*)\)", expression) for label in found.split(", ")}
    assert grouped - {"le"} <= known
    for name in names:
        rated = f"rate({name}{{" in expression
        assert rated is (SERIES[name].kind is not Kind.GAUGE), "a counter is of use as a rate alone"


def test_every_metric_is_on_a_dashboard() -> None:
    shown = " ".join(expression for board in BOARDS.values() for _, expression in queries(board))
    missing = {each.name for each in METRICS if not re.search(rf"\b{each.name}(_bucket|_count)?\{{", shown)}
    assert missing == {
        "vidferry_worker_cookie_lines_ignored",  # both are told by the log as well
        "vidferry_worker_cookie_next_expiry_timestamp_seconds",
        "vidferry_retention_removed_objects_total",  # its bytes are there
        "vidferry_retention_last_sweep_timestamp_seconds",  # the sweeps are there
    }


def test_the_overview_shows_the_charts_objectives() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["metrics"]["alerts"]["objectives"]
    told = {panel["title"]: panel["description"] for panel in panels(BOARDS["overview"])}
    for name, share in values.items():
        assert told[name.capitalize()].endswith(f"The objective is {share:.1%}.")
        query = next(
            query for title, query in queries(BOARDS["overview"]) if title.startswith(f"{name.capitalize()}: b")
        )
        assert query.endswith(f" / {1 - share:.4g}")
