"""What the worker counts."""

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from vidferry_common.bucket.health import Health
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.metrics import Histogram, NegativeLatencies, Registry, catalogue
from vidferry_common.store import Claim


class WorkerMetrics:
    """The worker's instruments."""

    def __init__(self, registry: Registry, slots: int) -> None:
        self.running = 0
        """attempts now"""
        self._registry = registry
        self._queue_wait = registry.add_histogram(catalogue.QUEUE_WAIT)
        self._stages = registry.add_histogram(catalogue.STAGE_DURATION)
        self._durations = registry.add_histogram(catalogue.DOWNLOAD_DURATION)
        self.clock_offset = registry.clock_offset
        self._negative = NegativeLatencies(
            registry.add_counter(catalogue.NEGATIVE_DURATIONS),
            self.clock_offset,
            "a download ended before its POST: an api's clock is ahead of this worker's",
        )
        self._finished = registry.add_counter(catalogue.DOWNLOADS_FINISHED)
        for outcome in ("completed", "reused", "cancelled"):
            self._finished.start_series(outcome, catalogue.NO_CODE)
        for code in ErrorCode:
            self._finished.start_series("failed", code)
        self.retries = registry.add_counter(catalogue.RETRIES)
        self.deaths = registry.add_counter(catalogue.WORKER_LOSSES)
        self.downloaded = registry.add_counter(catalogue.DOWNLOADED_BYTES)
        self.uploaded = registry.add_counter(catalogue.UPLOADED_BYTES)
        self.published = registry.add_counter(catalogue.PUBLISHED)
        self._sweeps = registry.add_counter(catalogue.SWEEPS)
        self._removed_objects = registry.add_counter(catalogue.REMOVED_OBJECTS)
        self._removed_bytes = registry.add_counter(catalogue.REMOVED_BYTES)
        self._last_sweep: float | None = None
        registry.add_reading(catalogue.LAST_SWEEP, lambda: self._last_sweep)
        registry.add_reading(catalogue.ATTEMPTS_RUNNING, lambda: self.running)
        registry.add_reading(catalogue.SLOTS, lambda: slots)

    def confined(self, parts: Callable[[], Collection[str]]) -> None:
        """By what children are held, asked at each scrape."""
        self._registry.add_reading(
            catalogue.SANDBOX, lambda: {(part,): float(part in parts()) for part in catalogue.SANDBOX_PARTS}
        )

    def asks(self, bucket: Health) -> None:
        """Whether the bucket answers, looked at at each scrape."""
        self._registry.add_reading(catalogue.BUCKET_UP, lambda: float(bucket.error is None))

    def claimed(self, claim: Claim) -> None:
        self._queue_wait.observe(claim.waited)

    def stages(self) -> "StageClock":
        """Of a new attempt."""
        return StageClock(self._stages)

    def finished(self, claim: Claim, update: Update) -> None:
        """The download's last message was told."""
        code = update.error.code if update.error else catalogue.NO_CODE
        reused = update.status is Status.COMPLETED and bool(update.result and update.result.reused)
        self._end(claim.created, "reused" if reused else update.status.value, code)

    def failed(self, created: str, code: ErrorCode) -> None:
        """A download that began at that time ended so."""
        self._end(created, Status.FAILED.value, code)

    def removed(self, size: int) -> None:
        """Retention removed an object of so many bytes."""
        self._removed_objects.add()
        self._removed_bytes.add(by=size)

    def swept(self, *, completed: bool) -> None:
        """A sweep of the bucket has ended."""
        self._sweeps.add("completed" if completed else "failed")
        if completed:
            self._last_sweep = time.time()

    def _end(self, created: str, outcome: str, code: str) -> None:
        self._finished.add(outcome, code)
        seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
        if seconds >= 0:
            self._durations.observe(seconds, outcome)
        else:
            self._negative.add(-seconds)


class StageClock:
    """How long an attempt was in each stage. The stage that it fails in does not count."""

    def __init__(self, durations: Histogram) -> None:
        self._durations = durations
        self._stage: Stage | None = None
        self._since = 0.0

    def enter(self, stage: Stage) -> None:
        """Another step; it may be of the same stage."""
        if stage is self._stage:
            return
        now = time.monotonic()
        if self._stage is not None:
            self._durations.observe(now - self._since, self._stage)
        self._stage, self._since = stage, now


class Rise:
    """Counts how far a figure has risen, where it is told anew each time and may go back."""

    def __init__(self) -> None:
        self._seen = 0

    def to(self, figure: int) -> int:
        """By how much it is over all before."""
        more = max(0, figure - self._seen)
        self._seen += more
        return more
