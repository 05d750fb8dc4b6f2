"""The worker's program."""

import asyncio
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from arq.connections import ArqRedis

from vidferry_common import log
from vidferry_common.bucket import Bucket, BucketError, open_bucket
from vidferry_common.bucket.settings import require_signing_key
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.metrics import AdminServer, PortTaken, Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.notify import ready
from vidferry_common.settings import load
from vidferry_common.startup import until_both_answer
from vidferry_common.store import Claim, Ending, Store, StoreUnavailable, connect
from vidferry_common.store.client import RedisError, connection_name, connection_pool
from vidferry_worker import bucket_outage
from vidferry_worker.arq_worker import DownloadWorker
from vidferry_worker.attempt import Attempt
from vidferry_worker.broker import Broker
from vidferry_worker.children import ChildEnded, SandboxMissing, Zygote
from vidferry_worker.egress import EgressPolicy
from vidferry_worker.folder import work_folder
from vidferry_worker.keeper import Keeper
from vidferry_worker.leases import Leases
from vidferry_worker.memory_group import MemoryGroup, is_in_memory
from vidferry_worker.memory_watch import MemoryWatch
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.parts import Parts
from vidferry_worker.patience import until_redis_answers
from vidferry_worker.publisher import Publisher
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites import Sites
from vidferry_worker.sweeper import Sweeper
from vidferry_worker.watch import Bounds, Watch

logger = logging.getLogger("vidferry_worker")

SLACK = 64 * 1024**2
"""bytes of a download beside its streams: pictures, the runtime's cache"""


def main() -> None:
    settings = load(WorkerSettings)
    require_signing_key(settings)
    log.set_up(settings, "worker")
    missing = [program for program in ("ffmpeg", "ffprobe") if shutil.which(program) is None]
    if missing:
        sys.exit(
            f"{' and '.join(missing)} can't be found on the PATH. Install ffmpeg; it is needed to put streams together."
        )
    registry = Registry(Service.WORKER)
    metrics = WorkerMetrics(registry, settings.worker_slots)
    state = State()
    try:
        admin = AdminServer(settings, registry, lambda: state.ready)
        asyncio.run(_run(settings, metrics, admin, state))
    except asyncio.CancelledError:
        logger.info("worker stops")
    except (BucketError, ChildEnded, PortTaken, SandboxMissing, StoreUnavailable, RedisError) as error:
        sys.exit(f"The worker can't start: {error}")


class State:
    """What the admin port says about this worker."""

    worker: DownloadWorker | None = None

    @property
    def ready(self) -> bool:
        """Whether it takes downloads now."""
        return self.worker is not None and self.worker.takes_work


def _cancel_current() -> Callable[[], object]:
    task = asyncio.current_task()
    assert task
    return task.cancel


async def _run(settings: WorkerSettings, metrics: WorkerMetrics, admin: AdminServer, state: State) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):  # arq's worker, once it runs, heeds them itself
        asyncio.get_running_loop().add_signal_handler(number, _cancel_current())
    async with admin:
        bucket = open_bucket(settings)
        try:
            await _work(settings, metrics, bucket, state)
        finally:
            await bucket.close()


async def _work(settings: WorkerSettings, metrics: WorkerMetrics, bucket: Bucket, state: State) -> None:
    with work_folder(settings.worker_folder, settings.worker_name) as folder:
        store = Store(connect(settings, connection_name("worker", "records")), settings.record_seconds, settings.kept)
        zygote = Zygote(_broker(settings), settings.confinement)
        metrics.confined(lambda: zygote.confined_by)
        metrics.asks(bucket.health)
        try:
            await zygote.start()
            _warn_of_gaps(settings, zygote)
            await until_both_answer(store, bucket, writing=True)
            sites = Sites(settings.fragments, settings.site_fragments)
            early = settings.upload_while_downloading and not await bucket.keeps(folder)
            memory = MemoryGroup.of()
            parts = Parts(settings, store, bucket, zygote, Publisher(store), sites, metrics, memory, early, folder)
            await _serve(parts, state)
        finally:
            await zygote.close()
            await store.close()


def _broker(settings: WorkerSettings) -> Broker:
    policy = EgressPolicy(settings.egress_allow, settings.egress_ports, settings.egress_deny)
    return Broker(policy, settings.proxy.dial) if settings.proxy else Broker(policy)


def _warn_of_gaps(settings: WorkerSettings, zygote: Zygote) -> None:
    if missing := zygote.lacking():
        logger.warning(
            "downloads are not confined by all that they could be: see SECURITY.md",
            extra={"missing": missing, "sandbox": settings.sandbox},
        )


async def _serve(parts: Parts, state: State) -> None:
    settings = parts.settings
    runner = Runner(parts)
    waiting = connection_pool(settings, connection_name("worker", "queue"))
    pool = ArqRedis(pool_or_conn=waiting, default_queue_name=keys.QUEUE)
    worker = DownloadWorker(
        pool,
        lambda count: parts.store.pick(count, settings.limits),
        runner.run,
        runner.abandon,
        may_pick=lambda: not parts.bucket.health.refuses,
        slots=settings.worker_slots,
        max_seconds=settings.max_seconds,
        grace=settings.grace,
    )
    state.worker = worker
    beside = [asyncio.create_task(work, name=name) for name, work in _beside(parts, runner.leases, worker).items()]
    for task in beside:
        task.add_done_callback(lambda ended: _stop_without(ended, worker))
    ready()
    logger.info("worker ready", extra={"worker": settings.worker_name, "slots": settings.worker_slots})
    try:
        await worker.async_run()
    except asyncio.CancelledError:
        logger.info("worker stops")
    finally:
        state.worker = None
        await worker.close()
        for task in beside:
            task.cancel()


def _beside(parts: Parts, leases: Leases, worker: DownloadWorker) -> dict[str, Coroutine[Any, Any, None]]:
    """What runs as long as the worker does, by its name."""
    settings = parts.settings
    bounds = Bounds(
        2 * settings.max_bytes + SLACK, settings.disk + settings.worker_slots * SLACK, settings.child_memory
    )
    return {
        "leases": leases.renew(),
        "stops": leases.heed_stops(),
        "keeper": Keeper(
            parts.store, settings.worker_name, settings.lease, parts.metrics, lambda: worker.slots_on_offer
        ).run(),
        "sweeper": Sweeper(parts.store, parts.bucket, settings, parts.metrics).run(),
        "publisher": parts.publisher.run(),
        "bucket": bucket_outage.ask_until_it_answers(parts.bucket),
        "watch": Watch(parts.zygote, bounds).run(),
        "memory": MemoryWatch(
            parts.zygote, parts.memory, settings.child_memory, files_in_memory=is_in_memory(parts.folder)
        ).run(),
    }


def _stop_without(task: asyncio.Task[None], worker: DownloadWorker) -> None:
    """A worker that can't keep its leases would be taken for dead, one that does not watch its children is none."""
    if not task.cancelled() and (error := task.exception()):
        logger.critical("%s: it has ended, so the worker does", task.get_name(), exc_info=error)
        worker.stop()


class Runner:
    """What arq calls for each download."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.leases = Leases(parts.store, parts.settings.worker_name, parts.settings.lease)

    async def run(self, download_id: str, attempt: int) -> None:
        """One attempt, if it is the next one of its download."""
        claim = await self._claim(download_id, attempt)
        if claim is None:
            logger.info("a stale attempt", extra={"download_id": download_id, "attempt": attempt})
            return
        metrics = self._parts.metrics
        metrics.claimed(claim)
        run = Attempt(self._parts, claim)
        self.leases.hold(download_id, attempt, run.lose)
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
        record = await until_redis_answers(lambda: self._parts.store.download(download_id))
        return record.get(b"status") == b"queued" and int(record[b"attempt"]) == attempt - 1

    async def abandon(self, download_id: str, attempt: int) -> None:
        """Ends a download whose arq job expired or can't be read."""
        claim = await self._claim(download_id, attempt)
        if claim:
            update = claim.last.failed(ErrorCode.INTERNAL)
            if await self._parts.store.finish(claim, update.body(), Ending()) is not None:
                self._parts.metrics.finished(claim, update)

    async def _claim(self, download_id: str, attempt: int) -> Claim | None:
        settings = self._parts.settings
        return await until_redis_answers(
            lambda: self._parts.store.claim(download_id, attempt, settings.lease, settings.worker_name)
        )
