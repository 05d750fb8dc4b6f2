"""Ends the largest child before the container's memory is used up, as the kernel may end all of the worker then.

ResourceMonitor checks each child's own limits twice a second; code that has taken over a child can take gigabytes in
less. So this monitor looks at what the container has left, and the more often the less that is. Once a child could take
all of it without exceeding its own limit, the children are stopped (SIGSTOP) and measured at each look: many processes
that take memory at once would leave this monitor no CPU time.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.child import Child
from vidferry_worker.children.memory_cgroup import MemoryCgroup
from vidferry_worker.children.resource_monitor import end_child
from vidferry_worker.children.resource_usage import MAX_PROCESSES, ResourceUsage, measure_children
from vidferry_worker.children.template import Template
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.children.zygotes import Zygotes

RESERVED_DIVISOR, MAX_RESERVED = 8, 256 * 1024**2
"""An eighth of the limit, at most so many bytes, is kept free: where less is left, a child is ended."""
MAX_RATE = 8 * 1024**3
"""bytes a second that children are expected to take at most. It decides when to look next."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.25
"""seconds between two looks"""
MIN_RUNNING_RATIO = 9
"""After each stop the children run for at least that many times as long as they were stopped."""
ENDING_SECONDS = 5.0
"""for an ended child to give its memory back; after that, another one is ended although it is within its own limit"""


class MemoryMonitor:
    """The monitor of the memory of a worker and its children."""

    def __init__(
        self, zygotes: Zygote | Zygotes, cgroup: MemoryCgroup, child_memory: int, *, files_in_memory: bool = False
    ) -> None:
        self._zygotes, self._cgroup = zygotes, cgroup
        self._child_memory, self._files_in_memory = child_memory, files_in_memory
        self._thread = ThreadPoolExecutor(1, "memory")  # of its own, so that nothing else delays it
        self._is_stopped = threading.Event()
        self._pause = SHORTEST_PAUSE
        self._ending: dict[Child | Template, float] = {}
        """children that were ended and still hold memory, and until when that is waited for"""

    async def run(self) -> None:
        """Until cancelled. Returns at once where the worker's memory has no limit."""
        if self._cgroup.limit is None:
            return
        loop = asyncio.get_running_loop()
        try:
            while True:
                usages, spare = await loop.run_in_executor(self._thread, self._wait_until_scarce)
                try:
                    self._end_excessive(usages, spare)
                finally:
                    _signal_children(usages, signal.SIGCONT)
        finally:
            self._is_stopped.set()
            self._thread.shutdown(wait=False)

    def _wait_until_scarce(self) -> tuple[dict[Child | Template, ResourceUsage], float]:
        """Returns once one child could take all spare memory: what each child takes, and the spare bytes.

        The children are stopped then.
        """
        while not self._is_stopped.wait(self._pause):
            started = time.monotonic()
            spare = self._cgroup.read_free() - reserved_bytes(self._cgroup.limit or 0)
            self._pause = min(max(spare / MAX_RATE, SHORTEST_PAUSE), LONGEST_PAUSE)
            children = {child for child in self._zygotes.watched if child.pid}
            if children and spare < self._child_memory:
                usages = self._stop_and_measure(children)
                self._pause = max(self._pause, MIN_RUNNING_RATIO * (time.monotonic() - started))
                return usages, spare
        return {}, 0

    def _stop_and_measure(self, children: set[Child | Template]) -> dict[Child | Template, ResourceUsage]:
        """The children stay stopped, unless this fails or the monitor has been closed meanwhile."""
        stay_stopped = False
        _signal_children(children, signal.SIGSTOP)
        try:
            usages = self._measure_usages([*(children | self._ending.keys())])
            stay_stopped = not self._is_stopped.is_set()
        finally:
            if not stay_stopped:
                _signal_children(children, signal.SIGCONT)
        return usages

    def _measure_usages(self, children: list[Child | Template]) -> dict[Child | Template, ResourceUsage]:
        usages = measure_children([(child.pid, child.folder if self._files_in_memory else None) for child in children])
        return {child: usages[child.pid] for child in children}

    def _end_excessive(self, usages: Mapping[Child | Template, ResourceUsage], spare: float) -> None:
        """Ends every child above its limit. Where no memory is spare and no child is ending, ends the largest."""
        now = time.monotonic()
        self._ending = {child: until for child, until in self._ending.items() if usages[child].living and now < until}
        running = [child for child in usages.keys() - self._ending.keys() if not child.exited.done()]
        for child in running:
            if self._exceeds_limits(usages[child]):
                self._end_child(child, ErrorCode.RESOURCES_EXCEEDED, usages[child])
        if running and spare < 0 and not self._ending:
            largest = max(running, key=lambda child: usages[child].memory + usages[child].disk)
            self._end_child(largest, ErrorCode.OUT_OF_MEMORY, usages[largest])

    def _exceeds_limits(self, usage: ResourceUsage) -> bool:
        return usage.memory > self._child_memory or usage.processes > MAX_PROCESSES or bool(usage.failure)

    def _end_child(self, child: Child | Template, code: ErrorCode, usage: ResourceUsage) -> None:
        self._ending[child] = time.monotonic() + ENDING_SECONDS
        end_child(child, code, f"the worker's memory runs out: {usage.memory} bytes of it, {usage.processes} processes")


def _signal_children(children: Iterable[Child | Template], number: signal.Signals) -> None:
    """Signals all processes of each child, unless it has ended."""
    for child in children:
        if not child.exited.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, number)


def reserved_bytes(limit: int) -> int:
    """The bytes below a memory limit that children must leave free."""
    return min(limit // RESERVED_DIVISOR, MAX_RESERVED)
