"""Ends the largest child before the container's memory is used up, as the kernel may end all of the worker then.

The watch over each child's own bounds looks twice a second; code that has taken over a child can take gigabytes in
less. So what the container has left is looked at the more often the less it is, and once a child could take it all
within its bounds, the children are held still and measured each time: those that take memory in many processes would
leave no processor to the one that looks.
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
from vidferry_worker.children.memory_group import MemoryGroup
from vidferry_worker.children.resource_monitor import MAX_PROCESSES, Usage, end, measure
from vidferry_worker.children.zygote import Zygote

MARGIN, MOST_MARGIN = 8, 256 * 1024**2
"""an eighth of the limit, at most so many bytes: where less is left, a child is ended"""
RATE = 8 * 1024**3
"""bytes a second that children are expected to take at most: the next look is timed by it"""
SHORTEST, LONGEST = 0.005, 0.25
"""seconds between two looks"""
LEAST_REST = 9
"""times as long as the children were held still they are let go on, at least"""
LEAVING_SECONDS = 5.0
"""for which the memory of a child that was ended is waited for; then another is ended that has no more than it may"""


class MemoryMonitor:
    """One for all children of a worker."""

    def __init__(self, zygote: Zygote, group: MemoryGroup, child_memory: int, *, files_in_memory: bool = False) -> None:
        self._zygote, self._group = zygote, group
        self._child_memory, self._files_in_memory = child_memory, files_in_memory
        self._thread = ThreadPoolExecutor(1, "memory")  # its own: nothing else holds it up
        self._is_over = threading.Event()
        self._rest = SHORTEST
        self._leaving: dict[Child, float] = {}
        """those that were ended, until they have gone, or that time"""

    async def run(self) -> None:
        """Returns at once where the worker's memory has no limit: the kernel sees to the machine's."""
        if self._group.limit is None:
            return
        loop = asyncio.get_running_loop()
        try:
            while True:
                used, spare = await loop.run_in_executor(self._thread, self._until_scarce)
                try:
                    self._relieve(used, spare)
                finally:
                    _signal(used, signal.SIGCONT)
        finally:
            self._is_over.set()
            self._thread.shutdown(wait=False)

    def _until_scarce(self) -> tuple[dict[Child, Usage], float]:
        """What the children take, which stand still, once one could take all that may be taken; and what that is."""
        while not self._is_over.wait(self._rest):
            begun = time.monotonic()
            spare = self._group.left() - margin(self._group.limit or 0)
            self._rest = min(max(spare / RATE, SHORTEST), LONGEST)
            children = {child for child in self._zygote.children if child.pid}
            if children and spare < self._child_memory:
                used = self._measure_held(children)
                self._rest = max(self._rest, LEAST_REST * (time.monotonic() - begun))
                return used, spare
        return {}, 0

    def _measure_held(self, children: set[Child]) -> dict[Child, Usage]:
        """The children stand still afterwards, unless this fails, or the monitor has been stopped meanwhile."""
        held = False
        _signal(children, signal.SIGSTOP)
        try:
            used = self._measure([*(children | self._leaving.keys())])
            held = not self._is_over.is_set()
        finally:
            if not held:
                _signal(children, signal.SIGCONT)
        return used

    def _measure(self, children: list[Child]) -> dict[Child, Usage]:
        used = measure([(child.pid, child.folder if self._files_in_memory else None) for child in children])
        return {child: used[child.pid] for child in children}

    def _relieve(self, used: Mapping[Child, Usage], spare: float) -> None:
        """Ends all that have more than they may; where nothing is spare any more and nobody leaves, the largest."""
        now = time.monotonic()
        self._leaving = {child: until for child, until in self._leaving.items() if used[child].living and now < until}
        running = [child for child in used.keys() - self._leaving.keys() if not child.exited.done()]
        for child in running:
            if self._has_too_much(used[child]):
                self._end(child, ErrorCode.RESOURCES_EXCEEDED, used[child])
        if running and spare < 0 and not self._leaving:
            largest = max(running, key=lambda child: used[child].memory + used[child].disk)
            self._end(largest, ErrorCode.OUT_OF_MEMORY, used[largest])

    def _has_too_much(self, used: Usage) -> bool:
        return used.memory > self._child_memory or used.processes > MAX_PROCESSES or bool(used.hidden)

    def _end(self, child: Child, code: ErrorCode, used: Usage) -> None:
        self._leaving[child] = time.monotonic() + LEAVING_SECONDS
        end(child, code, f"the worker's memory runs out: {used.memory} bytes of it, {used.processes} processes")


def _signal(children: Iterable[Child], number: signal.Signals) -> None:
    """To all processes of each, unless it has ended."""
    for child in children:
        if not child.exited.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, number)


def margin(limit: int) -> int:
    """The bytes below a limit that are the worker's own, and nobody's."""
    return min(limit // MARGIN, MOST_MARGIN)
