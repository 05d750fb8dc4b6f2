"""What one worker does for all of them, one at a time: it puts back on the queue what dead workers held."""

import asyncio
import logging
from collections.abc import Callable

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued
from vidferry_common.store import Cause, Requeue, RequeueOutcome, Store, StoreUnavailable
from vidferry_worker.metrics import WorkerMetrics

logger = logging.getLogger(__name__)

MAX_WORKER_LOSSES = 3
"""Workers that may die under one download; the last one ends it."""
LONGEST_TICK = 2.0
TICKS_IN_LEASE = 12
"""at least"""
TICKS_OF_SILENCE = 3
"""after which another worker leads; with its own tick well below a gap, since one that died is no outage"""
GAP = 0.5
"""of a lease, that nobody led: leases are renewed three times in their length, so a shorter outage ends none"""


class LeaseReaper:
    """Looks for leases that have ended, as long as no other worker does; tells how many slots this one has."""

    def __init__(
        self, store: Store, worker: str, lease: float, metrics: WorkerMetrics, slots: Callable[[], int] = lambda: 0
    ) -> None:
        self._store, self._worker, self._lease, self._metrics, self._slots = store, worker, lease, metrics, slots
        self._tick = min(LONGEST_TICK, lease / TICKS_IN_LEASE)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._look()
            except StoreUnavailable as error:
                logger.warning("looking for expired leases waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(self._tick)

    async def _look(self) -> None:
        self._metrics.clock_offset.measured(*await self._store.read_clock())
        silence, gap = self._tick * TICKS_OF_SILENCE, self._lease * GAP
        expired = await self._store.leases.find_expired(self._worker, silence, gap, self._lease, self._slots())
        for download_id in expired or ():
            await self._reap(download_id)

    async def _reap(self, download_id: str) -> None:
        # Its record may have expired before its lease, or it has ended since: then requeue() does nothing.
        record = await self._store.downloads.read(download_id)
        attempt, last = (record.attempt, record.last) if record else (0, None)
        update = (last or queued()).waiting()
        how = Requeue(Cause.WORKER_LOSS, update, limit=MAX_WORKER_LOSSES - 1, failure=ErrorCode.WORKER_LOST)
        outcome = await self._store.downloads.requeue(download_id, attempt, how)
        if outcome is RequeueOutcome.STALE:
            return
        logger.warning("a worker was lost", extra={"download_id": download_id, "outcome": outcome})
        self._metrics.deaths.add(outcome)
        if outcome is RequeueOutcome.ENDED and record:
            self._metrics.failed(record.created, how.failure)
