"""Ends children that take too much disk, memory, CPU time or too many processes; the kernel limits only each process.

A child that can't be measured counts as one that takes too much.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.child import Child
from vidferry_worker.children.resource_usage import MAX_PROCESSES, ResourceUsage, measure_children
from vidferry_worker.children.template import Template
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.children.zygotes import Zygotes

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""seconds"""
MAX_THREADS = 512
"""of one child: ffmpeg and the JavaScript runtime start some for each processor"""


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """The limits of one worker's children."""

    disk_per_child: int
    """bytes: two streams and what they are merged into"""
    total_disk: int
    """bytes of all children together"""
    memory_per_child: int
    """bytes of all its processes, with what they share with the zygote, and what the kernel may hold for their sockets
    and pipes"""


@dataclass(frozen=True, slots=True)
class ChildrenUsage:
    """What all children of a worker take together."""

    children: int = 0
    memory: int = 0
    disk: int = 0
    cpu_seconds: float = 0
    """since the worker's start"""


class ResourceMonitor:
    """The monitor of all children of a worker."""

    def __init__(self, zygotes: Zygote | Zygotes, limits: ResourceLimits, max_processes: int = MAX_PROCESSES) -> None:
        self._zygotes, self._limits, self._max_processes = zygotes, limits, max_processes
        self._thread = ThreadPoolExecutor(1, "watch")  # of its own, so that a slow site can't delay it
        self._cpu_seconds: dict[int, float] = {}
        """of each running child, as it was measured last"""
        self.usage = ChildrenUsage()
        """as it was measured last"""

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                if children := [child for child in self._zygotes.watched if child.pid]:
                    await self.check_children(children)
                else:
                    self._sum_up({})
        finally:
            self._thread.shutdown(wait=False)

    async def check_children(self, children: Sequence[Child | Template]) -> None:
        """Ends those that take too much."""
        folders = [(child.pid, child.folder) for child in children]
        usages = await asyncio.get_running_loop().run_in_executor(self._thread, measure_children, folders)
        self._sum_up(usages)
        running = [child for child in children if not child.exited.done()]
        for child in running:
            if excess := self._find_excess(child, usages[child.pid]):
                end_child(child, *excess)
        if running and sum(usage.disk for usage in usages.values()) > self._limits.total_disk:
            largest = max(running, key=lambda child: usages[child.pid].disk)
            end_child(largest, ErrorCode.DISK_FULL, "all downloads together have too many bytes of files")

    def _sum_up(self, usages: Mapping[int, ResourceUsage]) -> None:
        # Less than before is a new child with an old one's pid, or a process whose end was not counted yet.
        used = sum(max(0, usage.cpu_seconds - self._cpu_seconds.get(pid, 0)) for pid, usage in usages.items())
        self._cpu_seconds = {
            pid: max(usage.cpu_seconds, self._cpu_seconds.get(pid, 0)) for pid, usage in usages.items()
        }
        self.usage = ChildrenUsage(
            children=len(usages),
            memory=sum(usage.memory for usage in usages.values()),
            disk=sum(usage.disk for usage in usages.values()),
            cpu_seconds=self.usage.cpu_seconds + used,
        )

    def _find_excess(self, child: Child | Template, usage: ResourceUsage) -> tuple[ErrorCode, str] | None:
        """The first limit that a child exceeds: its error code, and how much the child takes."""
        max_cpu = float("inf") if child.max_cpu_seconds is None else child.max_cpu_seconds
        checks = (
            (bool(usage.failure), ErrorCode.RESOURCES_EXCEEDED, usage.failure),
            (usage.processes > self._max_processes, ErrorCode.RESOURCES_EXCEEDED, f"{usage.processes} processes"),
            (usage.threads > MAX_THREADS, ErrorCode.RESOURCES_EXCEEDED, f"{usage.threads} threads"),
            (usage.memory > self._limits.memory_per_child, ErrorCode.RESOURCES_EXCEEDED,
             f"{usage.memory} bytes of memory"),
            (usage.cpu_seconds > max_cpu, ErrorCode.RESOURCES_EXCEEDED, f"{usage.cpu_seconds} seconds of a processor"),
            (isinstance(child, Template) and child.has_foreign_files(), ErrorCode.RESOURCES_EXCEEDED, "its own files"),
            (usage.disk > self._limits.disk_per_child, ErrorCode.TOO_LARGE, f"{usage.disk} bytes of files"),
        )  # fmt: skip
        return next(((code, why) for is_too_much, code, why in checks if is_too_much), None)


def end_child(child: Child | Template, code: ErrorCode, why: str) -> None:
    """Ends a child that takes too much of something."""
    logger.warning("child ended for its use of resources", extra={"pid": child.pid, "code": code, "why": why})
    child.fail(code, why)
