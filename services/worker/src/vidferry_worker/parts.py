"""What the attempts of one worker share."""

from dataclasses import dataclass
from pathlib import Path

from vidferry_common.bucket import Bucket
from vidferry_common.store import Store
from vidferry_worker.children import Zygote
from vidferry_worker.memory_group import MemoryGroup
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.publisher import Publisher
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites import Sites


@dataclass(frozen=True, slots=True)
class Parts:
    """Made once in main, passed down."""

    settings: WorkerSettings
    store: Store
    bucket: Bucket
    zygote: Zygote
    publisher: Publisher
    sites: Sites
    metrics: WorkerMetrics
    memory: MemoryGroup
    """of the worker and its children"""
    early: bool
    """whether a file is uploaded while it is still downloaded"""
    folder: Path
    """of all running downloads"""
