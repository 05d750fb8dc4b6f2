"""Starts what a worker does for bundles."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from vidferry_worker.bundles.canary import try_bundle
from vidferry_worker.bundles.finder import BundleFinder
from vidferry_worker.bundles.library import Library
from vidferry_worker.bundles.policy import BundlePolicy
from vidferry_worker.bundles.switch import BundleSwitch
from vidferry_worker.bundles.versions import image_version
from vidferry_worker.children.engine import Engine
from vidferry_worker.children.memory_cgroup import MemoryCgroup
from vidferry_worker.children.memory_monitor import reserved_bytes
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.context import WorkerContext
from vidferry_worker.network.broker import Broker

logger = logging.getLogger(__name__)

TRIAL_MEMORY = 512 * 1024**2
"""bytes, beside those that children must leave free: 90 MB for the loaded yt-dlp, the rest for a child and ffmpeg"""
NO_SANDBOX = "a newer yt-dlp needs the whole sandbox, so this worker runs its image's"


def has_memory_for_trial(has_former: bool, cgroup: MemoryCgroup) -> bool:
    """Whether a yt-dlp can be loaded for a trial: in the place of a former one, or beside it where memory is free."""
    return not has_former or cgroup.read_free() >= reserved_bytes(cgroup.limit or 0) + TRIAL_MEMORY


def bundle_coroutines(
    context: WorkerContext, make_broker: Callable[[], Broker], on_change: Callable[[str], object]
) -> dict[str, Coroutine[Any, Any, None]]:
    """By their names; none where the worker can run its image's yt-dlp only. on_change: as of BundleSwitch."""
    settings, zygotes, metrics = context.settings, context.zygotes, context.metrics
    policy = BundlePolicy.parse(settings.ytdlp, settings.ytdlp_hold)
    if not policy.is_on:
        return {}
    if missing := zygotes.current.missing_sandbox_parts:
        on_change(NO_SANDBOX)
        logger.error("this worker can run no bundle: the sandbox has to be whole", extra={"missing": missing})
        return {}
    library, room = Library(context.bucket), asyncio.Lock()

    def make_zygote(code: Path, work: Path, engine: Engine) -> Zygote:
        return Zygote(make_broker(), settings.confinement, work, code, engine)

    finder = BundleFinder(
        context.store, library, policy, interval=settings.ytdlp_interval, worker=settings.worker_name,
        folder=context.folder / "bundle-look", room=room, count_look=metrics.bundle_looks.add,
        has_memory=lambda: has_memory_for_trial(zygotes.has_former, context.memory_cgroup),
        try_bundle=partial(try_bundle, confinement=settings.confinement, guests=zygotes.guests),
    )  # fmt: skip
    switch = BundleSwitch(
        context.store, library, zygotes, folder=context.folder, room=room, make_zygote=make_zygote,
        suits=partial(policy.suits, image=image_version()), on_change=on_change, count_load=metrics.bundle_loads.add,
    )  # fmt: skip
    return {"bundle finder": finder.run(), "bundle switch": switch.run(), "zygotes": zygotes.run()}
