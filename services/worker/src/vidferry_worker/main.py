"""The worker's program."""

import asyncio
import logging
import shutil
import sys

from arq.connections import ArqRedis

from vidferry_common import log
from vidferry_common.bucket import BucketError, open_bucket
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued
from vidferry_common.notify import ready
from vidferry_common.settings import load
from vidferry_common.store import Store, StoreUnavailable, connect
from vidferry_common.store.client import RedisError, connection_pool
from vidferry_worker.arq_worker import DownloadWorker
from vidferry_worker.attempt import Attempt
from vidferry_worker.broker import Broker
from vidferry_worker.children import ChildEnded, Zygote
from vidferry_worker.egress import EgressPolicy
from vidferry_worker.folder import work_folder
from vidferry_worker.leases import Leases
from vidferry_worker.parts import Parts
from vidferry_worker.settings import WorkerSettings

logger = logging.getLogger("vidferry_worker")


def main() -> None:
    settings = load(WorkerSettings)
    log.set_up(settings, "worker")
    missing = [program for program in ("ffmpeg", "ffprobe") if shutil.which(program) is None]
    if missing:
        sys.exit(
            f"{' and '.join(missing)} can't be found on the PATH. Install ffmpeg; it is needed to put streams together."
        )
    try:
        asyncio.run(_run(settings))
    except (BucketError, ChildEnded, StoreUnavailable, RedisError) as error:
        sys.exit(f"The worker can't start: {error}")


async def _run(settings: WorkerSettings) -> None:
    bucket = open_bucket(settings)
    try:
        await bucket.check()
        with work_folder(settings.worker_folder, settings.worker_name) as folder:
            store = Store(connect(settings), settings.record_seconds)
            zygote = Zygote(Broker(EgressPolicy(settings.egress_allow, settings.egress_ports)))
            await zygote.start()
            try:
                await _serve(Parts(settings, store, bucket, zygote, folder))
            finally:
                await zygote.close()
                await store.close()
    finally:
        await bucket.close()


async def _serve(parts: Parts) -> None:
    settings = parts.settings
    await parts.store.ping()
    runner = Runner(parts)
    pool = ArqRedis(pool_or_conn=connection_pool(settings), default_queue_name=keys.QUEUE)
    worker = DownloadWorker(
        pool,
        runner.run,
        runner.abandon,
        slots=settings.worker_slots,
        max_seconds=settings.max_seconds,
        grace=settings.grace,
    )
    leases = asyncio.create_task(runner.leases.run(), name="leases")
    leases.add_done_callback(lambda task: _stop_without_leases(task, worker))
    ready()
    logger.info("worker ready", extra={"worker": settings.worker_name, "slots": settings.worker_slots})
    try:
        await worker.async_run()
    except asyncio.CancelledError:
        logger.info("worker stops")
    finally:
        await worker.close()
        leases.cancel()


def _stop_without_leases(task: asyncio.Task[None], worker: DownloadWorker) -> None:
    """A worker that can't keep its leases would be taken for dead: it gives back what it has."""
    if not task.cancelled() and (error := task.exception()):
        logger.critical("leases are not kept any more", exc_info=error)
        worker.stop()


class Runner:
    """What arq calls for each download."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.leases = Leases(parts.store, parts.settings.lease)

    async def run(self, download_id: str, attempt: int) -> None:
        """One attempt, if it is the next one of its download."""
        settings = self._parts.settings
        claim = await self._parts.store.claim(download_id, attempt, settings.lease, settings.worker_name)
        if claim is None:
            logger.info("a stale attempt", extra={"download_id": download_id, "attempt": attempt})
            return
        run = Attempt(self._parts, claim)
        self.leases.hold(download_id, attempt, run.lose)
        try:
            await run.run()
        finally:
            self.leases.release(download_id, attempt)

    async def abandon(self, download_id: str, attempt: int) -> None:
        """Ends a download whose arq job expired or can't be read."""
        settings = self._parts.settings
        claim = await self._parts.store.claim(download_id, attempt, settings.lease, settings.worker_name)
        if claim:
            await self._parts.store.finish(claim, queued(attempt).failed(ErrorCode.INTERNAL).body(), {})
