"""Leases: those of this worker's attempts are renewed, those of dead workers taken up."""

import asyncio
import logging
from collections.abc import Callable

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued
from vidferry_common.store import Cause, Requeue, Store, StoreUnavailable
from vidferry_worker.metrics import WorkerMetrics

logger = logging.getLogger(__name__)

RENEWALS = 3
"""in one lease"""
MAX_DEATHS = 3
"""Workers that may die under one download; the last one ends it."""


class Leases:
    """Keeps what this worker holds, and puts back on the queue what nobody holds any more."""

    def __init__(self, store: Store, lease: float, metrics: WorkerMetrics) -> None:
        self._store, self._lease, self._metrics = store, lease, metrics
        self._held: dict[str, tuple[int, Callable[[], None]]] = {}
        self._reap_from = 0.0

    def hold(self, download_id: str, attempt: int, on_lost: Callable[[], None]) -> None:
        self._held[download_id] = (attempt, on_lost)

    def release(self, download_id: str, attempt: int) -> None:
        if self._held.get(download_id, (0,))[0] == attempt:
            del self._held[download_id]

    async def run(self) -> None:
        """Until cancelled. After an outage nothing is reaped for one lease: its holders need that to renew."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                await self._renew()
                if clock() >= self._reap_from:
                    await self._reap()
            except StoreUnavailable as error:
                self._reap_from = clock() + self._lease + self._lease / RENEWALS
                logger.warning("leases wait for Redis", extra={"error": str(error)})
            await asyncio.sleep(self._lease / RENEWALS)

    async def _renew(self) -> None:
        if not self._held:
            return
        for lost in await self._store.renew({id_: held[0] for id_, held in self._held.items()}, self._lease):
            held = self._held.pop(lost, None)
            if held:
                held[1]()

    async def _reap(self) -> None:
        for download_id in await self._store.expired():
            fields = await self._store.download(download_id)
            attempt = int(fields.get(b"attempt", b"0"))
            how = Requeue(Cause.DEATH, queued(attempt), limit=MAX_DEATHS - 1, failure=ErrorCode.WORKER_LOST)
            outcome = await self._store.requeue(download_id, attempt, how)
            if outcome == "stale":
                continue  # another worker was quicker
            logger.warning("a worker was lost", extra={"download_id": download_id, "outcome": outcome})
            self._metrics.deaths.add(outcome)
            if outcome == "ended":
                self._metrics.failed(fields[b"created"].decode(), how.failure)
