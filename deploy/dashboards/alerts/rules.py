"""Builds alerts and recording rules, as Prometheus reads them. What an installation sets is written as @name@."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vidferry_common.metrics.definitions import Definition

WHERE = 'namespace="@namespace@"'


class Severity(StrEnum):
    """What an alert asks of a person."""

    CRITICAL = "critical"
    """to act now, also at night"""
    WARNING = "warning"
    """to act within days"""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. Its section in docs/runbooks.md has its name as the heading."""

    name: str
    severity: Severity
    summary: str
    """a sentence for the person that is called"""
    expression: str
    hold: str
    """for how long the expression must be true"""

    def rule(self) -> dict[str, Any]:
        annotations = {"summary": self.summary, "runbook_url": f"@runbooks@#{self.name.lower()}"}
        return {
            "alert": self.name,
            "expr": self.expression,
            "for": self.hold,
            "labels": {"severity": self.severity.value},
            "annotations": annotations,
        }


def equals(label: str, value: str) -> str:
    """Matches series with that value of a label."""
    return f'{label}="{value}"'


def series(metric: Definition, *matchers: str, suffix: str = "") -> str:
    """Selects the metric's series in the release's namespace."""
    return f"{metric.name}{suffix}{{{','.join([WHERE, *matchers])}}}"


def total(metric: Definition, *matchers: str) -> str:
    """The sum over all processes."""
    return f"sum by (namespace) ({series(metric, *matchers)})"


def most(metric: Definition, *matchers: str) -> str:
    """The highest value of all processes."""
    return f"max by (namespace) ({series(metric, *matchers)})"


def least(metric: Definition, *matchers: str) -> str:
    """The lowest value of all processes."""
    return f"min by (namespace) ({series(metric, *matchers)})"


def grown(metric: Definition, window: str, *matchers: str, by: str = "namespace", suffix: str = "") -> str:
    """By how much a counter has grown within the window, in all processes together."""
    return f"sum by ({by}) (increase({series(metric, *matchers, suffix=suffix)}[{window}]))"
