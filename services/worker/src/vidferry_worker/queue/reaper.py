"""Requeues the downloads of dead workers: one worker, the leader, does this for all. Tends the pauses of sites."""

import asyncio
import logging
from collections.abc import Callable

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued_update
from vidferry_common.store import Cause, DownloadRecord, Requeue, RequeueOutcome, Store, StoreUnavailable
from vidferry_common.tracing import NO_TRACER, Attributes, Span, SpanKind, Tracer, UntracedSpan, log_ids, recorded_trace
from vidferry_worker.metrics import WorkerMetrics

logger = logging.getLogger(__name__)

MAX_WORKER_LOSSES = 3
"""Workers that may be lost under one download; the last loss ends it."""
MAX_INTERVAL = 2.0
"""seconds between two looks"""
MAX_TENDED = 20
"""calls of PauseStore.tend between two looks"""
MIN_LOOKS_PER_LEASE = 12
MISSED_LOOKS = 3
"""of the leader, after which another worker leads. That takes well below OUTAGE_SHARE: one dead worker is no outage."""
OUTAGE_SHARE = 0.5
"""Of a lease's length: that long without any leader counts as an outage of Redis. A shorter outage lets no lease
expire, since each is renewed three times in its length."""


class LeaseReaper:
    """Requeues downloads whose lease has expired, while this worker leads. It also reports this worker's slots."""

    def __init__(
        self,
        store: Store,
        worker: str,
        lease: float,
        metrics: WorkerMetrics,
        slots: Callable[[], int] = lambda: 0,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._tracer = tracer
        self._store, self._worker, self._lease, self._metrics, self._slots = store, worker, lease, metrics, slots
        self._interval = min(MAX_INTERVAL, lease / MIN_LOOKS_PER_LEASE)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._requeue_expired()
            except StoreUnavailable as error:
                logger.warning("looking for expired leases waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(self._interval)

    async def _requeue_expired(self) -> None:
        self._metrics.clock_offset.record_measure(*await self._store.read_clock())
        silence, gap = self._interval * MISSED_LOOKS, self._lease * OUTAGE_SHARE
        expired = await self._store.leases.find_expired(self._worker, silence, gap, self._lease, self._slots())
        for download_id in expired or ():
            await self._requeue_download(download_id)
        await self._tend_pauses()

    async def _tend_pauses(self) -> None:
        """Does what the pauses leave to be done: so much that expired leases need not wait.

        Each worker does: during an update one of the release before may lead, which knows no pauses.
        """
        for _ in range(MAX_TENDED):
            if not await self._store.pauses.tend():
                return

    async def _requeue_download(self, download_id: str) -> None:
        # Where the record has expired, or the download has ended since, requeue() does nothing.
        record = await self._store.downloads.read(download_id)
        attempt, last, body = (record.attempt, record.last, record.body) if record else (0, None, b"")
        update = (last or queued_update()).as_waiting()
        how = Requeue(Cause.WORKER_LOSS, update, limit=MAX_WORKER_LOSSES - 1, failure=ErrorCode.WORKER_LOST, last=body)
        outcome = await self._store.downloads.requeue(download_id, attempt, how)
        if outcome is RequeueOutcome.STALE:
            return
        span = self._trace_loss(download_id, record)
        told = {"download_id": download_id, "attempt": attempt, "outcome": outcome}
        logger.warning("a worker was lost", extra=told | log_ids(span))
        self._metrics.worker_losses.add(outcome)
        if outcome is RequeueOutcome.ENDED and record:
            self._metrics.count_failed(record.created, ErrorCode.WORKER_LOST, recorded_trace(span))

    def _trace_loss(self, download_id: str, record: DownloadRecord | None) -> Span:
        """Tells of the lost attempt in its trace, since its own worker could not. Returns the span, which has ended."""
        if record is None or not record.traceparent:
            return UntracedSpan("")
        told: Attributes = {"vidferry.download.id": download_id, "vidferry.attempt": record.attempt}
        span = self._tracer.begin("requeue downloads", SpanKind.INTERNAL, record.traceparent, told)
        span.fail(ErrorCode.WORKER_LOST)
        span.end()
        return span
