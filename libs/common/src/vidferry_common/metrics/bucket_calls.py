"""The figures of calls to the bucket, of every service that makes some."""

from vidferry_common.metrics import catalogue
from vidferry_common.metrics.registry import Registry


class BucketCalls:
    """Counts calls to the bucket. Call it for each, from the event loop's thread."""

    def __init__(self, registry: Registry) -> None:
        self._durations = registry.add_histogram(catalogue.BUCKET_DURATION)
        self._errors = registry.add_counter(catalogue.BUCKET_ERRORS)

    def __call__(self, operation: str, seconds: float, error: str) -> None:
        """error: one of BUCKET_ERROR_KINDS; empty where the bucket has answered."""
        self._durations.observe(seconds, operation)
        if error:
            self._errors.add(error)
