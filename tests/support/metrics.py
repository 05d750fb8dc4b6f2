"""Metrics for parts of a service in the test's own process."""

from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_worker.metrics import WorkerMetrics


def worker_metrics() -> WorkerMetrics:
    return WorkerMetrics(Registry(Service.WORKER), slots=4)
