"""What the panels of all dashboards have in common, in Grafana's own terms."""

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from vidferry_common.metrics.definitions import Definition

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WHERE = 'namespace=~"$namespace"'
WINDOW = "[$__rate_interval]"

Query = tuple[str, str]
"""PromQL, and the legend of its series"""


def select(metric: Definition, suffix: str = "", *more: str) -> str:
    """The metric's series in the namespaces chosen."""
    return f"{metric.name}{suffix}{{{','.join([WHERE, *more])}}}"


def rate(metric: Definition, by: str = "", *more: str) -> str:
    """A counter's events a second, over all processes."""
    return f"sum{f' by ({by})' if by else ''} (rate({select(metric, '', *more)}{WINDOW}))"


def quantiles(metric: Definition, *more: str) -> list[Query]:
    """The median, and what the slowest see."""
    inner = f"sum by (le) (rate({select(metric, '_bucket', *more)}{WINDOW}))"
    return [
        (f"histogram_quantile({share}, {inner})", name)
        for share, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
    ]


def quantile_by(metric: Definition, by: str, share: float) -> Query:
    """One quantile for each value of a label."""
    inner = f"sum by (le, {by}) (rate({select(metric, '_bucket')}{WINDOW}))"
    return f"histogram_quantile({share}, {inner})", f"{{{{{by}}}}}"


def lines(
    title: str, description: str, unit: str, queries: Sequence[Query], *, width: int = 12, stacked: bool = False
) -> Any:
    """A graph over time."""
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
    return _asking(panel, queries)


def figure(title: str, description: str, unit: str, query: str, *, width: int = 4) -> Any:
    """One number, as it is now."""
    panel = stat.Panel().title(title).description(description).datasource(SOURCE).unit(unit).span(width).height(4)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return _asking(panel, [(query, "")])


def _asking(panel: Any, queries: Sequence[Query]) -> Any:
    for number, (expression, legend) in enumerate(queries):
        target = prometheus.Dataquery().expr(expression).ref_id(chr(ord("A") + number)).range()
        panel = panel.with_target(target.legend_format(legend) if legend else target)
    return panel
