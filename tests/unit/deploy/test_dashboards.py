"""The dashboard against the definitions. tests/system/dashboard asks a real Prometheus what its queries give."""

import re

import pytest

from support.dashboards import FOLDER, load, panels, queries
from vidferry_common.metrics.catalogue import METRICS
from vidferry_common.metrics.definitions import Kind

BOARD = load("progress-and-latency.json")
SERIES = {
    name: each
    for each in METRICS
    for name in (
        [each.name + ending for ending in ("_bucket", "_sum", "_count")] if each.kind is Kind.HISTOGRAM else [each.name]
    )
}
TARGET_LABELS = {"namespace", "pod"}
"""which Prometheus adds for a pod"""


def test_it_is_found_by_a_stable_name_and_takes_any_data_source() -> None:
    assert [path.name for path in FOLDER.iterdir()] == ["progress-and-latency.json"]
    assert BOARD["uid"] == "vidferry-progress-latency"
    variables = {each["name"]: each for each in BOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["namespace"]["datasource"]["uid"] == "${datasource}"
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels(BOARD))


def test_every_panel_says_what_it_shows() -> None:
    shown = panels(BOARD)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    assert len({panel["title"] for panel in shown if panel["type"] == "timeseries"}) >= 15
    for panel in shown:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in {"short", "s", "Bps", "ops", "reqps", "percentunit"}


def test_all_that_was_asked_for_is_on_it() -> None:
    shown = " ".join(expression for _, expression in queries(BOARD))
    for name in (
        "queue_wait_seconds", "queue_downloads", "queue_oldest_waiting", "stage_duration", "download_duration",
        "message_latency", "downloads_finished_total", "sockets{", "sockets_closed_total", "retries_total",
    ):  # fmt: skip
        assert name in shown


@pytest.mark.parametrize(("title", "expression"), [*queries(BOARD)], ids=lambda each: each[:40])
def test_queries_name_what_is_exported(title: str, expression: str) -> None:
    names = set(re.findall(r"\bvidferry_\w+", expression))
    assert names <= SERIES.keys()
    known = {label.name for name in names for label in SERIES[name].labels} | TARGET_LABELS
    assert set(re.findall(r"(\w+)=~?\"", expression)) <= known
    grouped = {label for found in re.findall(r"by \(([^)]*)\)", expression) for label in found.split(", ")}
    assert grouped - {"le"} <= known
    for name in names:
        rated = f"rate({name}{{" in expression
        assert rated is (SERIES[name].kind is not Kind.GAUGE), "a counter is of use as a rate alone"
