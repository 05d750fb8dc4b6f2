"""What a metric is: its name, its meaning, and the closed sets that its labels take their values from."""

from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"
"""the value of a label for everything outside its set"""


class Kind(StrEnum):
    """Prometheus's types, as far as they are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Service(StrEnum):
    """The service that exports a metric."""

    API = "api"
    WORKER = "worker"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its closed set of values. Others count as `other`, so that no caller can make a series."""

    name: str
    values: tuple[str, ...] = ()
    """empty where the program itself names the set at its start"""
    meaning: str = ""
    """instead of a list of the values, in the docs"""


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric, by Prometheus's conventions: base units, `_total` at the end of a counter's name."""

    name: str
    kind: Kind
    help: str
    services: tuple[Service, ...]
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    """upper bounds of a histogram, ascending, without infinity"""
    exemplars: bool = False
    """whether its buckets name traces"""

    @property
    def unit(self) -> str:
        stem = self.name.removesuffix("_total")
        return next((unit for unit in ("seconds", "bytes") if stem.endswith(f"_{unit}")), "")

    @property
    def series(self) -> tuple[tuple[str, ...], ...]:
        """Those that exist from the start, at 0: a rate sees a first event only where there was a 0 before it."""
        if not self.labels:
            return ((),)
        if len(self.labels) == 1:
            return tuple((value,) for value in self.labels[0].values)
        return ()
