"""The metrics of a worker."""

import contextlib
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from vidferry_common.bucket import Bucket
from vidferry_common.contract.bundles import BLAMED
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.metrics import BucketCalls, BusiestSites, Histogram, NegativeLatencies, Registry, catalogue
from vidferry_common.metrics.catalogue import AttemptOutcome
from vidferry_common.origins import registered_site_of
from vidferry_common.store import Claim
from vidferry_worker.children.engine import Engine
from vidferry_worker.children.resource_monitor import ChildrenUsage
from vidferry_worker.cookies.directory import CookieReport
from vidferry_worker.sites.file import SitesReport

MAX_GENERATIONS = 2
"""versions of yt-dlp whose attempts are told"""


class WorkerMetrics:
    """The counters and histograms of a worker."""

    def __init__(self, registry: Registry, slots: int) -> None:
        self._registry = registry
        self._started: dict[object, float] = {}
        """when each running attempt was claimed"""
        self._queue_wait = registry.add_histogram(catalogue.QUEUE_WAIT)
        self._stages = registry.add_histogram(catalogue.STAGE_DURATION)
        self._durations = registry.add_histogram(catalogue.DOWNLOAD_DURATION)
        self._probes = registry.add_histogram(catalogue.PROBE_DURATION)
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
        self._attempts = BusiestSites(catalogue.ATTEMPT_OUTCOMES)
        registry.add_reading(catalogue.ATTEMPTS, lambda: self._attempts.values)
        self.leases_lost = registry.add_counter(catalogue.LEASES_LOST)
        self.fenced_writes = registry.add_counter(catalogue.FENCED_WRITES)
        self.egress_refused = registry.add_counter(catalogue.EGRESS_REFUSED)
        self.retries = registry.add_counter(catalogue.RETRIES)
        self.yt_dlp_attempts = AttemptCounts()
        registry.add_reading(catalogue.YT_DLP_ATTEMPTS, self.yt_dlp_attempts.read)
        self.bundle_looks = registry.add_counter(catalogue.BUNDLE_LOOKS)
        self.bundle_loads = registry.add_counter(catalogue.BUNDLE_LOADS)
        self.bundle_rollbacks = registry.add_counter(catalogue.BUNDLE_ROLLBACKS)
        self.worker_losses = registry.add_counter(catalogue.WORKER_LOSSES)
        self.downloaded = registry.add_counter(catalogue.DOWNLOADED_BYTES)
        self.uploaded = registry.add_counter(catalogue.UPLOADED_BYTES)
        self.published = registry.add_counter(catalogue.PUBLISHED)
        self.webhooks = registry.add_counter(catalogue.WEBHOOKS)
        for delivery in catalogue.DeliveryOutcome:
            self.webhooks.start_series(delivery)
        self._sweeps = registry.add_counter(catalogue.SWEEPS)
        self._removed_objects = registry.add_counter(catalogue.REMOVED_OBJECTS)
        self._removed_bytes = registry.add_counter(catalogue.REMOVED_BYTES)
        self._last_sweep: float | None = None
        registry.add_reading(catalogue.LAST_SWEEP, lambda: self._last_sweep)
        registry.add_reading(catalogue.ATTEMPTS_RUNNING, lambda: len(self._started))
        registry.add_reading(catalogue.OLDEST_ATTEMPT, self._oldest_seconds)
        registry.add_reading(catalogue.SLOTS, lambda: slots)

    def observe_sandbox(self, parts: Callable[[], Collection[str]]) -> None:
        """Exports the parts of the sandbox that confine children, read at each scrape."""
        self._registry.add_reading(
            catalogue.SANDBOX, lambda: {(part,): float(part in parts()) for part in catalogue.SANDBOX_PARTS}
        )

    def observe_engine(self, engine: Callable[[], Engine]) -> None:
        """Exports which yt-dlp new downloads run, read at each scrape."""
        self._registry.add_reading(catalogue.YT_DLP_INFO, lambda: {tuple(engine()): 1.0})

    def observe_cookies(self, report: Callable[[], CookieReport]) -> None:
        """Exports what is known of the files of cookies, read at each scrape."""
        self._registry.add_reading(
            catalogue.COOKIE_FILES, lambda: {(state,): float(count) for state, count in report().files.items()}
        )
        self._registry.add_reading(catalogue.COOKIE_LINES_IGNORED, lambda: report().ignored_lines)
        self._registry.add_reading(catalogue.COOKIE_NEXT_EXPIRY, lambda: report().next_expiry)

    def observe_sites(self, report: Callable[[], SitesReport]) -> None:
        """Exports what is known of the sites file, read at each scrape."""
        self._registry.add_reading(
            catalogue.SITE_ENTRIES,
            lambda: {("used",): float(report().used), ("unusable",): float(report().unusable)},
        )

    def observe_bucket(self, bucket: Bucket) -> None:
        """Exports whether the bucket answers, read at each scrape, and counts the calls to it."""
        self._registry.add_reading(catalogue.BUCKET_UP, lambda: float(bucket.health.error is None))
        bucket.observe_calls(BucketCalls(self._registry))

    def observe_ffmpeg(self, version: str) -> None:
        """Exports the version of ffmpeg; empty where it tells none."""
        self._registry.add_reading(catalogue.FFMPEG_INFO, lambda: {(version or "unknown",): 1.0})

    def observe_children(self, usage: Callable[[], ChildrenUsage], folder: Path, max_disk: int) -> None:
        """Exports what children take, as measured last, and what the file system of their folder has free."""
        self._registry.add_reading(catalogue.CHILDREN, lambda: usage().children)
        self._registry.add_reading(catalogue.CHILDREN_MEMORY, lambda: usage().memory)
        self._registry.add_reading(catalogue.CHILDREN_CPU, lambda: usage().cpu_seconds)
        self._registry.add_reading(
            catalogue.FOLDER_BYTES,
            lambda: {("used",): usage().disk, ("max",): max_disk, ("free",): shutil.disk_usage(folder).free},
        )

    @contextlib.contextmanager
    def running_attempt(self) -> Iterator[None]:
        """Counts an attempt as running while the context is open."""
        key = object()
        self._started[key] = time.monotonic()
        try:
            yield
        finally:
            del self._started[key]

    def _oldest_seconds(self) -> float:
        return time.monotonic() - min(self._started.values()) if self._started else 0.0

    def count_attempt(self, url: str, outcome: str) -> None:
        """Counts an ended attempt by the site of its URL; outcome: one of ATTEMPT_OUTCOMES."""
        self._attempts.add(registered_site_of(url), outcome)

    # trace: the id of the trace, if that is recorded

    def count_claimed(self, claim: Claim, trace: str = "") -> None:
        self._queue_wait.observe(claim.waited, trace=trace)

    def new_stage_clock(self, trace: str = "") -> "StageClock":
        """The clock of a new attempt."""
        return StageClock(self._stages, trace)

    def count_finished(self, claim: Claim, update: Update, trace: str = "") -> None:
        """Counts a download whose last message was sent."""
        code = update.error.code if update.error else catalogue.NO_CODE
        self._count_ended(claim.created, update.outcome, code, trace)

    def count_failed(self, created: str, code: ErrorCode, trace: str = "") -> None:
        """Counts a download that was created at that time and has failed."""
        self._count_ended(created, Status.FAILED.value, code, trace)

    def count_probe(self, created: str, *, completed: bool, trace: str = "") -> None:
        """Counts a probe that was created at that time and has ended."""
        seconds = max(0, _seconds_since(created))
        self._probes.observe(seconds, "completed" if completed else "failed", trace=trace)

    def count_removed(self, size: int) -> None:
        """Counts an object of that many bytes that retention has removed."""
        self._removed_objects.add()
        self._removed_bytes.add(by=size)

    def count_sweep(self, *, completed: bool) -> None:
        """Counts a sweep of the bucket."""
        self._sweeps.add("completed" if completed else "failed")
        if completed:
            self._last_sweep = time.time()

    def _count_ended(self, created: str, outcome: str, code: str, trace: str) -> None:
        self._finished.add(outcome, code)
        seconds = _seconds_since(created)
        if seconds >= 0:
            self._durations.observe(seconds, outcome, trace=trace)
        else:
            self._negative.add(-seconds)


def _seconds_since(created: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()


class StageClock:
    """Measures how long an attempt is in each stage. The stage in which it fails does not count."""

    def __init__(self, durations: Histogram, trace: str = "") -> None:
        self._durations, self._trace = durations, trace
        self._stage: Stage | None = None
        self._since = 0.0
        self._seconds: dict[Stage, float] = {}

    def enter_stage(self, stage: Stage) -> None:
        """Takes note of a step, which may belong to the same stage."""
        if stage is self._stage:
            return
        now = time.monotonic()
        if self._stage is not None:
            self._durations.observe(now - self._since, self._stage, trace=self._trace)
            self._seconds[self._stage] = self.read_seconds()[self._stage]
        self._stage, self._since = stage, now

    def read_seconds(self) -> dict[Stage, float]:
        """The seconds so far in each stage, the present one included."""
        seconds = dict(self._seconds)
        if self._stage is not None and self._stage is not Stage.DONE:
            seconds[self._stage] = seconds.get(self._stage, 0.0) + time.monotonic() - self._since
        return seconds


class AttemptCounts:
    """How many attempts went how, by the version of yt-dlp that they ran: of the last two versions."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[AttemptOutcome, int]] = {}

    def add(self, yt_dlp: str, failed: ErrorCode | None) -> None:
        """Counts an attempt on that version. failed: with which code; None: it worked."""
        if yt_dlp not in self._counts:
            self._counts[yt_dlp] = dict.fromkeys(AttemptOutcome, 0)
            for oldest in list(self._counts)[:-MAX_GENERATIONS]:
                del self._counts[oldest]
        self._counts[yt_dlp][_outcome_of(failed)] += 1

    def read(self) -> dict[tuple[str, ...], float]:
        return {(yt_dlp, outcome): count for yt_dlp, each in self._counts.items() for outcome, count in each.items()}


def _outcome_of(failed: ErrorCode | None) -> AttemptOutcome:
    if failed is None:
        return AttemptOutcome.WORKED
    return AttemptOutcome.BLAMED if failed in BLAMED else AttemptOutcome.EXCUSED


class HighWaterMark:
    """The highest value so far of a number that may fall."""

    def __init__(self) -> None:
        self._highest = 0

    def raise_to(self, value: int) -> int:
        """By how much the value exceeds every earlier one."""
        increase = max(0, value - self._highest)
        self._highest += increase
        return increase
