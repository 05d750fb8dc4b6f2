"""Runs the attempts that arq takes from the queue."""

import logging

from vidferry_common.log import add_log_fields, log_fields
from vidferry_common.store import Claim, DownloadStatus
from vidferry_worker.attempt.attempt import Attempt
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.context import WorkerContext
from vidferry_worker.queue.leases import Leases
from vidferry_worker.retry import until_redis_answers

logger = logging.getLogger(__name__)


class Runner:
    """Runs attempts, and holds their leases meanwhile."""

    def __init__(self, context: WorkerContext, publisher: Publisher) -> None:
        self._context, self._publisher = context, publisher
        self.leases = Leases(context.store, context.settings.worker_name, context.settings.lease)

    async def run_attempt(self, download_id: str, attempt: int) -> None:
        """Runs one attempt, if it is the next one of its download."""
        with log_fields(download_id=download_id, attempt=attempt):
            await self._run_attempt(download_id, attempt)

    async def _run_attempt(self, download_id: str, attempt: int) -> None:
        claim = await self._claim_attempt(download_id, attempt)
        if claim is None:
            logger.info("stale attempt ignored")
            return
        metrics = self._context.metrics
        running = Attempt(self._context, self._publisher, claim)
        add_log_fields(**running.trace.log_fields)
        metrics.count_claimed(claim, running.trace.recorded_id)
        self.leases.hold(download_id, attempt, running.abandon)
        try:
            with metrics.running_attempt():
                await running.run()
        finally:
            self.leases.release(download_id, attempt)
        if running.lost and await self._is_unclaimed(download_id, attempt):
            await self.run_attempt(download_id, attempt)

    async def _is_unclaimed(self, download_id: str, attempt: int) -> bool:
        """Whether a failover of Redis has lost the claim: then nobody runs the attempt, and arq would drop it."""
        record = await until_redis_answers(lambda: self._context.store.downloads.read(download_id))
        return record is not None and (record.status, record.attempt) == (DownloadStatus.QUEUED, attempt - 1)

    async def _claim_attempt(self, download_id: str, attempt: int) -> Claim | None:
        settings = self._context.settings
        return await until_redis_answers(
            lambda: self._context.store.leases.claim(download_id, attempt, settings.lease, settings.worker_name)
        )
