"""What Vidferry promises to people, and how fast it uses up what it may fail.

The windows and rates are those of Google's SRE workbook (chapter 5, "Alerting on SLOs"), for a budget of 30 days.
"""

from dataclasses import dataclass
from typing import Any

from alerts.rules import Alert, Severity, series
from vidferry_common.contract.errors import ErrorCode, Fault
from vidferry_common.metrics import catalogue as m
from vidferry_common.metrics.definitions import Definition

RECORD = "vidferry:objective_errors:ratio_rate"
"""of each window: the share of events that failed, by objective"""
START_SECONDS, MESSAGE_SECONDS = 60.0, 1.0


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise: of all events, a share succeeds."""

    name: str
    """of the chart's value with the share, in `metrics.alerts.objectives`"""
    share: float
    """by default"""
    event: str
    """what succeeds, and when"""
    promise: str
    """the end of a sentence: `… than promised`"""
    failed: tuple[str, str]
    """a counter of the events that failed; one that is subtracted from it, or nothing"""
    events: str
    """a counter of all events"""

    def failures(self, function: str, window: str) -> str:
        whole, good = (f"sum by (namespace) ({function}({each}[{window}]))" if each else "" for each in self.failed)
        return f"({whole} - {good})" if good else whole

    def ratio(self, window: str) -> str:
        """The share of the events of the window that failed; nothing where there were none."""
        return f"{self.failures('rate', window)} / (sum by (namespace) (rate({self.events}[{window}])) > 0)"

    def recorded(self, window: str) -> str:
        return f'{RECORD}{window}{{namespace="@namespace@",objective="{self.name}"}}'


def _slow(metric: Definition, bound: float) -> tuple[str, str]:
    return series(metric, suffix="_count"), series(metric, f'le="{bound}"', suffix="_bucket")


_OWN_CODES = "|".join(code for code in ErrorCode if code.fault is Fault.SERVICE)
_ASKED = 'route!~"/healthz|/readyz"'
OBJECTIVES = (
    Objective(
        "requests",
        0.999,
        "requests to the api that are not answered with 5xx",
        "Requests to the api fail more often",
        (series(m.HTTP_REQUESTS, _ASKED, 'code=~"5.."'), ""),
        series(m.HTTP_REQUESTS, _ASKED),
    ),
    Objective(
        "downloads",
        0.99,
        "downloads that complete, of those that could",
        "Downloads that could succeed fail more often",
        (series(m.DOWNLOADS_FINISHED, f'code=~"{_OWN_CODES}"'), ""),
        series(m.DOWNLOADS_FINISHED, f'code=~"none|{_OWN_CODES}"', 'outcome!="cancelled"'),
    ),
    Objective(
        "starts",
        0.95,
        f"attempts that start within {START_SECONDS:g} s",
        f"Downloads wait for more than {START_SECONDS:g} s more often",
        _slow(m.QUEUE_WAIT, START_SECONDS),
        series(m.QUEUE_WAIT, suffix="_count"),
    ),
    Objective(
        "messages",
        0.99,
        f"messages that reach their sockets within {MESSAGE_SECONDS:g} s",
        f"Messages reach their sockets after more than {MESSAGE_SECONDS:g} s more often",
        _slow(m.MESSAGE_LATENCY, MESSAGE_SECONDS),
        series(m.MESSAGE_LATENCY, suffix="_count"),
    ),
)


@dataclass(frozen=True, slots=True)
class Burn:
    """A rate at which the budget burns: so many times as fast as it may, in a long and in a short window."""

    rate: float
    long: str
    short: str


FAST = (Burn(14.4, "1h", "5m"), Burn(6, "6h", "30m"))
"""2 % of the budget in an hour, or 5 % in six"""
SLOW = (Burn(3, "1d", "2h"), Burn(1, "3d", "6h"))
"""10 % of it in a day, or in three"""
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def recording_rules() -> list[dict[str, Any]]:
    return [
        {"record": f"{RECORD}{window}", "expr": each.ratio(window), "labels": {"objective": each.name}}
        for window in WINDOWS
        for each in OBJECTIVES
    ]


def budget_alerts() -> list[Alert]:
    found = []
    for each in OBJECTIVES:
        name = f"Vidferry{each.name.capitalize()}Budget"
        fast = f"{each.promise} than promised: 2 % of the month's budget within an hour, or 5 % within six."
        slow = f"{each.promise} than promised: 10 % of the month's budget within a day, or within three."
        found.append(Alert(f"{name}BurnsFast", Severity.CRITICAL, fast, _burns(each, FAST), "2m"))
        found.append(Alert(f"{name}Burns", Severity.WARNING, slow, _burns(each, SLOW), "15m"))
    return found


def _burns(objective: Objective, burns: tuple[Burn, ...]) -> str:
    """Both windows: the short one ends the alert soon after the cause. A few failures of a quiet service are none."""
    return "\nor\n".join(
        f"({objective.recorded(burn.long)} > {burn.rate:g} * (1 - @{objective.name}@)\n"
        f"  and on (namespace) {objective.recorded(burn.short)} > {burn.rate:g} * (1 - @{objective.name}@)\n"
        f"  and on (namespace) {objective.failures('increase', burn.long)} >= @minFailures@)"
        for burn in burns
    )
