"""Builds a dashboard of rows of panels, with the variables and links that all of them share."""

import itertools
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from panels import SOURCE
from vidferry_common.metrics import catalogue as m

TAG = "vidferry"
"""of all dashboards, by which they link to each other"""
Rows = dict[str, list[Any]]
"""the panels of each row, by its title"""


@dataclass(frozen=True)
class Board:
    """A dashboard."""

    file: str
    """its file's name, without the ending"""
    uid: str
    """must not change: links to the dashboard and later versions use it"""
    title: str
    description: str
    rows: Rows
    since: str = "now-1h"

    def build(self) -> Any:
        board = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG])
            .readonly()
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .time(self.since, "now")
            .refresh("30s")
            .timezone("browser")
            .link(
                dashboard.DashboardLink("Vidferry")
                .type(DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .keep_time(keep_time=True)
                .include_vars(include_vars=True)
            )
            .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
            .with_variable(dashboard.DatasourceVariable("traces").label("Traces").type("tempo"))
            .with_variable(_namespaces())
        )
        ids = itertools.count(1)
        for title, panels in self.rows.items():
            board = board.with_row(dashboard.Row(title).id(next(ids)))
            for panel in panels:
                board = board.with_panel(panel.id(next(ids)))
        return board.build()


def _namespaces() -> Any:
    return (
        dashboard.QueryVariable("namespace")
        .label("Namespace")
        .description("Where Vidferry runs.")
        .datasource(SOURCE)
        .query(f"label_values({m.BUILD_INFO.name}, namespace)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )
