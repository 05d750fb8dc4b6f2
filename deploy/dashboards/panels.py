"""Builds the panels and PromQL queries of the dashboards."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef

from alerts.rules import equals
from vidferry_common.metrics import catalogue as m
from vidferry_common.metrics.definitions import Definition

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TRACES = "${traces}"
"""the data source of the traces"""
WHERE = 'namespace=~"$namespace"'
WINDOW = "[$__rate_interval]"
RANGE = "[$__range]"

Query = tuple[str, str]
"""a PromQL expression, and the legend of its series"""


def series(metric: Definition, suffix: str = "", *more: str) -> str:
    """Selects the metric's series in the chosen namespaces."""
    return f"{metric.name}{suffix}{{{','.join([WHERE, *more])}}}"


def rate(metric: Definition, by: str = "", *more: str) -> str:
    """The counter's events per second, summed over all processes."""
    return f"sum{f' by ({by})' if by else ''} (rate({series(metric, '', *more)}{WINDOW}))"


def quantiles(metric: Definition, *more: str) -> list[Query]:
    """The median, 95th and 99th percentile of a histogram."""
    inner = f"sum by (le) (rate({series(metric, '_bucket', *more)}{WINDOW}))"
    return [
        (f"histogram_quantile({share}, {inner})", name)
        for share, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
    ]


def quantile_by(metric: Definition, by: str, share: float) -> Query:
    """A quantile of a histogram for each value of a label."""
    inner = f"sum by (le, {by}) (rate({series(metric, '_bucket')}{WINDOW}))"
    return f"histogram_quantile({share}, {inner})", f"{{{{{by}}}}}"


def graph(
    title: str, description: str, unit: str, queries: Sequence[Query], *, width: int = 12, stacked: bool = False
) -> Any:
    """A time series panel."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(width)
        .height(8)
        .draw_style(GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(40 if stacked else 8)
        .show_points(VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked else StackingMode.NONE))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if any(has_exemplars(expression) for expression, _ in queries):
        panel = panel.links([_link_to_traces()])
    return _add_queries(panel, queries)


def has_exemplars(expression: str) -> bool:
    """Whether it is a quantile of a metric whose buckets name traces."""
    named = any(f"{metric.name}_bucket{{" in expression for metric in m.METRICS if metric.exemplars)
    return named and expression.startswith("histogram_quantile(")


def _link_to_traces() -> dashboard.DashboardLink:
    """A link to Vidferry's traces of the time that is shown."""
    source = {"type": "tempo", "uid": TRACES}
    query = {
        "refId": "A", "datasource": source, "queryType": "traceql",
        "query": '{resource.service.namespace="vidferry"}',
    }  # fmt: skip
    pane = {"datasource": TRACES, "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}}
    panes = quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="${}:,")
    return (
        dashboard.DashboardLink("Traces")
        .type(DashboardLinkType.LINK)
        .url(f"/explore?schemaVersion=1&panes={panes}")
        .target_blank(target_blank=True)
    )


def number(title: str, description: str, unit: str, query: str, *, width: int = 4) -> Any:
    """A stat panel: one number, the current one."""
    panel = stat.Panel().title(title).description(description).datasource(SOURCE).unit(unit).span(width).height(4)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return _add_queries(panel, [(query, "")])


def of_component(component: str) -> str:
    """Behind `*`: leaves the series of the pods of a service. Only build_info knows it."""
    return f"on (namespace, pod) group_left () {series(m.BUILD_INFO, '', equals('component', component))}"


def process_panels(component: str) -> list[Any]:
    """What the processes of a service take: CPU, memory, and how late their event loops are."""
    own = of_component(component)
    lag = f"sum by (namespace, pod, le) (rate({series(m.LOOP_LAG, '_bucket')}{WINDOW}))"
    return [
        graph("CPU", "CPUs in use by each process.", "short",
              [(f"rate({series(m.PROCESS_CPU)}{WINDOW}) * {own}", "{{pod}}")], width=8),
        graph("Memory", "Resident memory of each process.", "bytes",
              [(f"{series(m.PROCESS_MEMORY)} * {own}", "{{pod}}")], width=8),
        graph("Event-loop lag, 99 %", "How late the process runs 1 % of what is due.", "s",
              [(f"histogram_quantile(0.99, {lag}) * {own}", "{{pod}}")], width=8),
    ]  # fmt: skip


def _add_queries(panel: Any, queries: Sequence[Query]) -> Any:
    for index, (expression, legend) in enumerate(queries):
        target = prometheus.Dataquery().expr(expression).ref_id(chr(ord("A") + index)).range()
        if legend and has_exemplars(expression):
            target = target.exemplar(exemplar=True)
        panel = panel.with_target(target.legend_format(legend) if legend else target)
    return panel
