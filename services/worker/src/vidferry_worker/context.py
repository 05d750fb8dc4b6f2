"""What the attempts of one worker share."""

from dataclasses import dataclass
from pathlib import Path

from vidferry_common.bucket import Bucket
from vidferry_common.store import Store
from vidferry_worker.children.memory_group import MemoryGroup
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.fragment_budget import FragmentBudget
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Made once in main, passed down."""

    settings: WorkerSettings
    store: Store
    bucket: Bucket
    zygote: Zygote
    fragment_budget: FragmentBudget
    metrics: WorkerMetrics
    memory: MemoryGroup
    """of the worker and its children"""
    early: bool
    """whether a file is uploaded while it is still downloaded"""
    folder: Path
    """of all running downloads"""
