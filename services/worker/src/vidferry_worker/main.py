"""Starts a worker: builds its parts from the settings, and runs them until it is told to stop."""

import asyncio
import logging
import shutil
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from arq.connections import ArqRedis

from vidferry_common import log
from vidferry_common.bucket import Bucket, BucketError, open_bucket
from vidferry_common.bucket.settings import require_signing_key
from vidferry_common.contract import keys
from vidferry_common.metrics import AdminServer, PortTaken, Registry, catalogue
from vidferry_common.metrics.catalogue import Service
from vidferry_common.notify import notify_ready
from vidferry_common.settings import load_settings
from vidferry_common.startup import wait_for_redis_and_bucket
from vidferry_common.store import Store, StoreUnavailable, connect_redis
from vidferry_common.store.client import RedisError, connection_name, connection_pool
from vidferry_common.tracing import Tracer, start_tracing
from vidferry_worker.attempt import bucket_outage
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.batches.maker import BatchMaker, NewsPublisher
from vidferry_worker.bundles.loop import bundle_coroutines
from vidferry_worker.bundles.rollback import RollbackWatch
from vidferry_worker.children.child import ChildEnded
from vidferry_worker.children.memory_cgroup import MemoryCgroup, is_in_memory
from vidferry_worker.children.memory_monitor import MemoryMonitor
from vidferry_worker.children.resource_monitor import ResourceLimits, ResourceMonitor
from vidferry_worker.children.work_dir import work_folder
from vidferry_worker.children.zygote import SandboxMissing, Zygote
from vidferry_worker.children.zygotes import Zygotes
from vidferry_worker.context import WorkerContext
from vidferry_worker.cookies.directory import CookieDirectory
from vidferry_worker.fragment_budget import FragmentBudget
from vidferry_worker.indexing.indexer import Expirer, Indexer
from vidferry_worker.looks.playlists import PlaylistReader
from vidferry_worker.looks.probes import ProbeRunner
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.dial import dial_directly
from vidferry_worker.network.egress import EgressPolicy
from vidferry_worker.queue.arq_worker import DownloadWorker
from vidferry_worker.queue.leases import Leases
from vidferry_worker.queue.limits import PickLimits
from vidferry_worker.queue.reaper import LeaseReaper
from vidferry_worker.queue.runner import Runner
from vidferry_worker.retention.sweeper import Sweeper
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites.file import SitesFile
from vidferry_worker.tasks.task_loop import TaskLoop
from vidferry_worker.versions import VersionReporter
from vidferry_worker.webhooks.loop import webhook_coroutines

logger = logging.getLogger("vidferry_worker")

BATCH_SLOTS = 64
"""Batches that one worker looks after at once. They wait for Redis, or for a playlist that is being read elsewhere."""
BATCH_HOLD = 5.0
"""seconds after which another worker takes over the batches of one that died"""
CANCEL_SECONDS = 3.0
"""after which a task that goes on is cancelled again"""

EXTRA_DISK = 64 * 1024**2
"""bytes of a download besides its streams: thumbnails, the cache of the JavaScript runtime"""
LOOKS = 2
"""kinds of looks, each with slots of its own: probes, and expansions of playlists"""


def main() -> None:
    settings = load_settings(WorkerSettings)
    require_signing_key(settings)
    log.set_up(settings, "worker")
    missing = [program for program in ("ffmpeg", "ffprobe") if shutil.which(program) is None]
    if missing:
        sys.exit(f"{' and '.join(missing)} not found on the PATH. Install ffmpeg: workers need it to merge streams.")
    registry = Registry(Service.WORKER)
    metrics = WorkerMetrics(registry, settings.worker_slots)
    state = WorkerState()
    tracer = start_tracing(settings, "worker")
    registry.add_reading(catalogue.SPANS, tracer.count_spans)
    try:
        admin = AdminServer(settings, registry, lambda: state.ready)
        asyncio.run(_run_worker(settings, metrics, admin, state, tracer))
    except asyncio.CancelledError:
        logger.info("worker stops")
    except (BucketError, ChildEnded, PortTaken, SandboxMissing, StoreUnavailable, RedisError) as error:
        logger.critical("the worker can't start", extra={"error": str(error)})
        sys.exit(1)
    finally:
        tracer.close()


class WorkerState:
    """Whether this worker is ready, for its admin port."""

    worker: DownloadWorker | None = None

    @property
    def ready(self) -> bool:
        """Whether it takes downloads now."""
        return self.worker is not None and self.worker.takes_work


async def _run_worker(
    settings: WorkerSettings, metrics: WorkerMetrics, admin: AdminServer, state: WorkerState, tracer: Tracer
) -> None:
    task = asyncio.current_task()
    assert task
    for number in (signal.SIGTERM, signal.SIGINT):  # until arq's worker runs, which handles them itself
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with admin:
        bucket = open_bucket(settings)
        try:
            await _start_parts(settings, metrics, bucket, state, tracer)
        finally:
            await bucket.close()


async def _start_parts(
    settings: WorkerSettings, metrics: WorkerMetrics, bucket: Bucket, state: WorkerState, tracer: Tracer
) -> None:
    with work_folder(settings.worker_folder, settings.worker_name) as folder:
        store = Store(
            connect_redis(settings, connection_name("worker", "records")),
            settings.record_seconds,
            settings.ended_limits,
        )
        zygotes = Zygotes(lambda: Zygote(_make_broker(settings, metrics), settings.confinement, folder))
        cookies = CookieDirectory(settings.cookies_dir)
        metrics.observe_cookies(cookies.report)
        metrics.observe_sandbox(lambda: zygotes.current.sandbox_parts)
        metrics.observe_engine(lambda: zygotes.current.engine)
        metrics.observe_bucket(bucket)
        try:
            await zygotes.current.start()
            _warn_of_missing_sandbox_parts(settings, zygotes.current)
            sites = SitesFile(settings.sites_file, settings.site_rule, zygotes.current.browsers)
            metrics.observe_sites(sites.report)
            await wait_for_redis_and_bucket(store, bucket, writing=True)
            budget = FragmentBudget(settings.site_fragments)
            speculates = settings.upload_while_downloading and not await bucket.links_from(folder)
            cgroup = MemoryCgroup.of_process()
            context = WorkerContext(
                settings, store, bucket, zygotes, budget, metrics, cgroup, speculates, folder, cookies, sites, tracer
            )
            await _process_downloads(context, state)
        finally:
            await zygotes.close()
            await store.close()


def _make_broker(settings: WorkerSettings, metrics: WorkerMetrics) -> Broker:
    policy = EgressPolicy(settings.egress_allow, settings.egress_ports, settings.egress_deny)
    dial = settings.proxy.dial if settings.proxy else dial_directly
    return Broker(policy, dial, count_refusal=metrics.egress_refused.add)


def _warn_of_missing_sandbox_parts(settings: WorkerSettings, zygote: Zygote) -> None:
    if missing := zygote.missing_sandbox_parts:
        logger.warning(
            "downloads run without full confinement; see SECURITY.md",
            extra={"missing": missing, "sandbox": settings.sandbox},
        )


async def _process_downloads(context: WorkerContext, state: WorkerState) -> None:
    settings = context.settings
    publisher = Publisher(context.store)
    runner = Runner(context, publisher)
    connections = connection_pool(settings, connection_name("worker", "queue"))
    pool = ArqRedis(pool_or_conn=connections, default_queue_name=keys.QUEUE)
    limits = PickLimits(settings.limits, context.sites)
    worker = DownloadWorker(
        pool,
        lambda count: context.store.queue.pick(count, limits.current),
        runner.run_attempt,
        may_pick=lambda: not context.bucket.health.refuses,
        slots=settings.worker_slots,
        max_seconds=settings.max_seconds,
        grace=settings.grace,
    )
    state.worker = worker
    tasks = _start_background_tasks(context, runner.leases, worker, publisher)
    notify_ready()
    logger.info("worker ready", extra={"worker": settings.worker_name, "slots": settings.worker_slots})
    try:
        await worker.async_run()
    except asyncio.CancelledError:
        logger.info("worker stops")
    finally:
        state.worker = None
        await worker.close()
        await _end_tasks(tasks)


async def _end_tasks(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels the tasks and waits for them: they give back what they do beside the downloads."""
    pending = set(tasks)
    while pending:
        for task in pending:  # again where that takes long: redis-py may lose a cancellation
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)


def _start_background_tasks(
    context: WorkerContext, leases: Leases, worker: DownloadWorker, publisher: Publisher
) -> list[asyncio.Task[None]]:
    """Starts what runs as long as the worker does. If any of it fails, the worker stops."""
    coroutines = _background_coroutines(context, leases, worker, publisher)
    tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in coroutines.items()]
    for task in tasks:
        task.add_done_callback(lambda ended: _stop_if_failed(ended, worker))
    return tasks


def _background_coroutines(
    context: WorkerContext, leases: Leases, worker: DownloadWorker, publisher: Publisher
) -> dict[str, Coroutine[Any, Any, None]]:
    settings = context.settings
    limits = ResourceLimits(
        2 * settings.max_bytes + EXTRA_DISK,
        settings.max_total_disk + (settings.worker_slots + LOOKS * settings.look_slots) * EXTRA_DISK,
        settings.child_memory,
    )
    versions = VersionReporter(
        context.store, settings.worker_name, lambda: context.zygotes.current.engine, context.metrics.observe_ffmpeg
    )
    monitor = ResourceMonitor(context.zygotes, limits)
    context.metrics.observe_children(lambda: monitor.usage, context.folder, limits.total_disk)
    return {
        "leases": leases.renew_leases(),
        "cancellations": leases.listen_for_cancellations(),
        "reaper": LeaseReaper(
            context.store,
            settings.worker_name,
            settings.lease,
            context.metrics,
            lambda: worker.slots_on_offer,
            context.tracer,
        ).run(),
        "probes": ProbeRunner(context).make_loop().run(),
        "sweeper": Sweeper(context.store, context.bucket, settings, context.metrics).run(),
        "indexer": Indexer(context.store, context.bucket, settings, context.metrics).run(),
        "expirer": Expirer(context.store, context.bucket, settings, context.metrics).run(),
        "versions": versions.run(),
        "rollbacks": RollbackWatch(context.store, settings.worker_name, context.metrics).run(),
        "publisher": publisher.run(),
        "bucket": bucket_outage.check_failing_bucket(context.bucket),
        "watch": monitor.run(),
        "memory": MemoryMonitor(
            context.zygotes, context.memory_cgroup, settings.child_memory, files_in_memory=is_in_memory(context.folder)
        ).run(),
        **({"cookies": context.cookies.watch()} if settings.cookies_dir else {}),
        **({"sites": context.sites.watch()} if settings.sites_file else {}),
        **bundle_coroutines(context, lambda: _make_broker(settings, context.metrics), versions.note_change),
        **webhook_coroutines(settings, _make_broker(settings, context.metrics), context.metrics, context.tracer),
        **_batch_coroutines(context),
    }


def _batch_coroutines(context: WorkerContext) -> dict[str, Coroutine[Any, Any, None]]:
    store = context.store
    maker, news = BatchMaker(store, PlaylistReader(context), context.tracer), NewsPublisher(store)
    return {
        "batches": TaskLoop(store.batches.tasks, maker.make, slots=BATCH_SLOTS, hold=BATCH_HOLD).run(),
        "batch news": TaskLoop(store.batches.news, news.publish, slots=BATCH_SLOTS, hold=BATCH_HOLD).run(),
    }


def _stop_if_failed(task: asyncio.Task[None], worker: DownloadWorker) -> None:
    """Stops the worker: one that can't renew its leases counts as dead, and one without its monitors is unsafe."""
    if not task.cancelled() and (error := task.exception()):
        logger.critical("a background task ended; the worker stops", extra={"task": task.get_name()}, exc_info=error)
        worker.stop()
