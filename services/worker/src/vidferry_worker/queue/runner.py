"""What arq calls for each download."""

import logging

from vidferry_common.store import Claim, DownloadStatus
from vidferry_worker.attempt.attempt import Attempt
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.context import WorkerContext
from vidferry_worker.queue.leases import Leases
from vidferry_worker.retry import until_redis_answers

logger = logging.getLogger(__name__)


class Runner:
    """Runs the attempts that arq hands out, and holds their leases."""

    def __init__(self, context: WorkerContext, publisher: Publisher) -> None:
        self._context, self._publisher = context, publisher
        self.leases = Leases(context.store, context.settings.worker_name, context.settings.lease)

    async def run(self, download_id: str, attempt: int) -> None:
        """One attempt, if it is the next one of its download."""
        claim = await self._claim(download_id, attempt)
        if claim is None:
            logger.info("stale attempt ignored", extra={"download_id": download_id, "attempt": attempt})
            return
        metrics = self._context.metrics
        metrics.claimed(claim)
        run = Attempt(self._context, self._publisher, claim)
        self.leases.hold(download_id, attempt, run.abandon)
        metrics.running += 1
        try:
            await run.run()
        finally:
            self.leases.release(download_id, attempt)
            metrics.running -= 1
        if run.lost and await self._is_unclaimed(download_id, attempt):
            await self.run(download_id, attempt)

    async def _is_unclaimed(self, download_id: str, attempt: int) -> bool:
        """A failover may have lost the claim: then nobody has the attempt, and arq would take it off the queue."""
        record = await until_redis_answers(lambda: self._context.store.downloads.read(download_id))
        return record is not None and (record.status, record.attempt) == (DownloadStatus.QUEUED, attempt - 1)

    async def _claim(self, download_id: str, attempt: int) -> Claim | None:
        settings = self._context.settings
        return await until_redis_answers(
            lambda: self._context.store.leases.claim(download_id, attempt, settings.lease, settings.worker_name)
        )
