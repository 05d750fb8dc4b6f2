"""What the attempts of one worker share."""

from dataclasses import dataclass
from pathlib import Path

from vidferry_common.bucket import Bucket
from vidferry_common.store import Store
from vidferry_common.tracing import NO_TRACER, Tracer
from vidferry_worker.children.memory_cgroup import MemoryCgroup
from vidferry_worker.children.zygotes import Zygotes
from vidferry_worker.cookies.directory import CookieDirectory
from vidferry_worker.fragment_budget import FragmentBudget
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites.file import SitesFile


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The settings and services that all attempts of a worker use. Made once in main."""

    settings: WorkerSettings
    store: Store
    bucket: Bucket
    zygotes: Zygotes
    fragment_budget: FragmentBudget
    metrics: WorkerMetrics
    memory_cgroup: MemoryCgroup
    """of the worker and its children"""
    uploads_while_downloading: bool
    folder: Path
    """for the files of all running downloads"""
    cookies: CookieDirectory
    sites: SitesFile
    tracer: Tracer = NO_TRACER
