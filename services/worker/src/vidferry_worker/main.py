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
from vidferry_common.metrics import AdminServer, PortTaken, Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.notify import ready
from vidferry_common.settings import load
from vidferry_common.startup import until_both_answer
from vidferry_common.store import Store, StoreUnavailable, connect
from vidferry_common.store.client import RedisError, connection_name, connection_pool
from vidferry_worker.attempt import bucket_outage
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.children.memory_group import MemoryGroup, is_in_memory
from vidferry_worker.children.memory_monitor import MemoryMonitor
from vidferry_worker.children.resource_monitor import Bounds, ResourceMonitor
from vidferry_worker.children.work_dir import work_folder
from vidferry_worker.children.zygote import ChildEnded, SandboxMissing, Zygote
from vidferry_worker.context import WorkerContext
from vidferry_worker.fragment_budget import FragmentBudget
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.egress import EgressPolicy
from vidferry_worker.queue.arq_worker import DownloadWorker
from vidferry_worker.queue.leases import Leases
from vidferry_worker.queue.reaper import LeaseReaper
from vidferry_worker.queue.runner import Runner
from vidferry_worker.retention.sweeper import Sweeper
from vidferry_worker.settings import WorkerSettings

logger = logging.getLogger("vidferry_worker")

SLACK = 64 * 1024**2
"""bytes of a download beside its streams: pictures, the runtime's cache"""


def main() -> None:
    settings = load(WorkerSettings)
    require_signing_key(settings)
    log.set_up(settings, "worker")
    missing = [program for program in ("ffmpeg", "ffprobe") if shutil.which(program) is None]
    if missing:
        sys.exit(f"{' and '.join(missing)} not found on the PATH. Install ffmpeg: workers need it to merge streams.")
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
    """The state of this worker, as its admin port tells it."""

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
            budget = FragmentBudget(settings.fragments, settings.site_fragments)
            early = settings.upload_while_downloading and not await bucket.keeps(folder)
            memory = MemoryGroup.of()
            context = WorkerContext(settings, store, bucket, zygote, budget, metrics, memory, early, folder)
            await _serve(context, state)
        finally:
            await zygote.close()
            await store.close()


def _broker(settings: WorkerSettings) -> Broker:
    policy = EgressPolicy(settings.egress_allow, settings.egress_ports, settings.egress_deny)
    return Broker(policy, settings.proxy.dial) if settings.proxy else Broker(policy)


def _warn_of_gaps(settings: WorkerSettings, zygote: Zygote) -> None:
    if missing := zygote.lacking():
        logger.warning(
            "downloads run without full confinement; see SECURITY.md",
            extra={"missing": missing, "sandbox": settings.sandbox},
        )


async def _serve(context: WorkerContext, state: State) -> None:
    settings = context.settings
    publisher = Publisher(context.store)
    runner = Runner(context, publisher)
    waiting = connection_pool(settings, connection_name("worker", "queue"))
    pool = ArqRedis(pool_or_conn=waiting, default_queue_name=keys.QUEUE)
    worker = DownloadWorker(
        pool,
        lambda count: context.store.queue.pick(count, settings.limits),
        runner.run,
        may_pick=lambda: not context.bucket.health.refuses,
        slots=settings.worker_slots,
        max_seconds=settings.max_seconds,
        grace=settings.grace,
    )
    state.worker = worker
    beside = [
        asyncio.create_task(work, name=name)
        for name, work in _beside(context, runner.leases, worker, publisher).items()
    ]
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


def _beside(
    context: WorkerContext, leases: Leases, worker: DownloadWorker, publisher: Publisher
) -> dict[str, Coroutine[Any, Any, None]]:
    """What runs as long as the worker does, by its name."""
    settings = context.settings
    bounds = Bounds(
        2 * settings.max_bytes + SLACK, settings.disk + settings.worker_slots * SLACK, settings.child_memory
    )
    return {
        "leases": leases.renew(),
        "cancellations": leases.listen_for_cancellations(),
        "reaper": LeaseReaper(
            context.store, settings.worker_name, settings.lease, context.metrics, lambda: worker.slots_on_offer
        ).run(),
        "sweeper": Sweeper(context.store, context.bucket, settings, context.metrics).run(),
        "publisher": publisher.run(),
        "bucket": bucket_outage.ask_until_it_answers(context.bucket),
        "watch": ResourceMonitor(context.zygote, bounds).run(),
        "memory": MemoryMonitor(
            context.zygote, context.memory, settings.child_memory, files_in_memory=is_in_memory(context.folder)
        ).run(),
    }


def _stop_without(task: asyncio.Task[None], worker: DownloadWorker) -> None:
    """A worker that can't keep its leases would be taken for dead, one that does not watch its children is none."""
    if not task.cancelled() and (error := task.exception()):
        logger.critical("%s ended unexpectedly; the worker stops", task.get_name(), exc_info=error)
        worker.stop()
