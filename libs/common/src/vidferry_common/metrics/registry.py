"""One program's metrics, and their text as Prometheus reads it. No other module imports prometheus_client."""

import platform
from collections.abc import Awaitable, Callable, Iterator, Mapping
from enum import Enum
from importlib.metadata import version
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from vidferry_common.metrics import catalogue
from vidferry_common.metrics.clocks import ClockOffset
from vidferry_common.metrics.definitions import Definition, Kind, Service
from vidferry_common.metrics.instruments import Buckets, Counter, Histogram

Reading = Mapping[tuple[str, ...], float] | float | None
"""a value, or one for each series; None tells nothing now"""


class Form(Enum):
    """A form of the metrics, by its media type. Series have the same names in each."""

    TEXT = CONTENT_TYPE_LATEST
    """the text form, which has no exemplars"""
    OPENMETRICS = openmetrics.CONTENT_TYPE_LATEST
    """OpenMetrics 1.0"""


class Registry(Collector):
    """All metrics of one program, which is one service, or two that share a process."""

    def __init__(self, *services: Service) -> None:
        self._counters: list[Counter] = []
        self._histograms: list[Histogram] = []
        self._readings: list[tuple[Definition, Callable[[], Reading]]] = []
        self._before: list[Callable[[], Awaitable[None]]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        builds: Reading = {
            (service.value, version(f"vidferry-{service}"), platform.python_version()): 1.0 for service in services
        }
        self.add_reading(catalogue.BUILD_INFO, lambda: builds)
        self.clock_offset = ClockOffset()
        """whoever probes Redis tells it"""
        self.add_reading(catalogue.CLOCK_OFFSET, lambda: self.clock_offset.seconds)
        self.add_reading(catalogue.REDIS_ROUND_TRIP, lambda: self.clock_offset.round_trip)
        self.loop_lags = self.add_histogram(catalogue.LOOP_LAG)
        """whoever serves the registry measures its loop"""

    def add_counter(self, definition: Definition, **sets: tuple[str, ...]) -> Counter:
        """A new counter. sets: the values of those labels whose set only the program knows."""
        made = Counter(definition, sets)
        self._counters.append(made)
        return made

    def add_histogram(self, definition: Definition, **sets: tuple[str, ...]) -> Histogram:
        """A new histogram, as add_counter."""
        made = Histogram(definition, sets)
        self._histograms.append(made)
        return made

    def add_reading(self, definition: Definition, read: Callable[[], Reading]) -> None:
        """Adds a gauge, or a counter that is kept elsewhere; read is called at each scrape."""
        self._readings.append((definition, read))

    def before_scrape(self, prepare: Callable[[], Awaitable[None]]) -> None:
        """Has prepare awaited before each scrape; it must end soon and raise nothing."""
        self._before.append(prepare)

    async def scrape(self, form: Form = Form.TEXT) -> bytes:
        """All metrics as they are now."""
        for prepare in self._before:
            await prepare()
        write = openmetrics.generate_latest if form is Form.OPENMETRICS else generate_latest
        return write(self._registry)

    def collect(self) -> Iterator[Metric]:
        for counter in self._counters:
            yield _make_family(counter.definition, counter.values)
        for definition, read in self._readings:
            value = read()
            yield _make_family(
                definition, value if isinstance(value, Mapping) else {} if value is None else {(): value}
            )
        for histogram in self._histograms:
            yield _make_histogram(histogram)


def _make_family(definition: Definition, values: Mapping[tuple[str, ...], float]) -> Metric:
    kind = CounterMetricFamily if definition.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(definition.name, definition.help, labels=[label.name for label in definition.labels])
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _make_histogram(histogram: Histogram) -> Metric:
    definition = histogram.definition
    family = HistogramMetricFamily(definition.name, definition.help, labels=[label.name for label in definition.labels])
    for labels, series in histogram.series.items():
        family.add_metric(labels, _make_buckets(series), series.sum)
    return family


def _make_buckets(series: Buckets) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Bound, count and exemplar of each bucket."""
    made: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    for index, (bound, count) in enumerate(zip([*series.bounds, "+Inf"], accumulate(series.counts), strict=True)):
        found = series.exemplars.get(index)
        if found:
            made.append((str(bound), count, Exemplar({"trace_id": found.trace}, found.value, found.time)))
        else:
            made.append((str(bound), count))
    return made
