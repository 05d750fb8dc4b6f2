"""Sees that running downloads keep within their disk and processes, which the kernel bounds by file and user only."""

import asyncio
import contextlib
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children import Child, Zygote

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""seconds"""
MAX_PROCESSES = 32
"""of one child: yt-dlp, and ffmpeg or the JavaScript runtime"""
BLOCK = 512


@dataclass(frozen=True, slots=True)
class Bounds:
    """bytes"""

    download: int
    """two streams and what they are merged into"""
    worker: int


class Watch:
    """One for all children of a worker."""

    def __init__(self, zygote: Zygote, bounds: Bounds, processes: int = MAX_PROCESSES) -> None:
        self._zygote, self._bounds, self._processes = zygote, bounds, processes

    async def run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            if children := [child for child in self._zygote.children if child.pid]:
                await self.look(children)

    async def look(self, children: list[Child]) -> None:
        """Ends those that have too much."""
        used = await asyncio.to_thread(_usage, [(child.pid, child.folder) for child in children])
        running = [child for child in children if not child.exited.done()]
        for child in running:
            size, processes = used[child.pid]
            if processes > self._processes:
                self._end(child, ErrorCode.INTERNAL, f"{processes} processes")
            elif size > self._bounds.download:
                self._end(child, ErrorCode.TOO_LARGE, f"{size} bytes of files")
        if running and sum(size for size, _ in used.values()) > self._bounds.worker:
            largest = max(running, key=lambda child: used[child.pid][0])
            self._end(largest, ErrorCode.DISK_FULL, "all downloads together have too many bytes of files")

    def _end(self, child: Child, code: ErrorCode, why: str) -> None:
        logger.warning("a child is ended", extra={"pid": child.pid, "code": code, "why": why})
        child.fail(code, why)


def _usage(children: list[tuple[int, Path]]) -> dict[int, tuple[int, int]]:
    """Bytes on disk and processes of each, by its pid, which is its group's."""
    groups = list(_groups())
    count = Counter(group for _, group in groups)
    hidden: Counter[int] = Counter()
    for pid, group in groups:
        if any(group == child for child, _ in children):
            hidden[group] += sum(_deleted(pid))
    return {pid: (sum(_sizes(folder)) + hidden[pid], count[pid]) for pid, folder in children}


def _sizes(folder: Path) -> Iterator[int]:
    for root, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # it was renamed or removed just now
                yield os.lstat(os.path.join(root, name)).st_blocks * BLOCK  # noqa: PTH118 - os.walk's own


def _deleted(pid: int) -> Iterator[int]:
    """Of files that have no name any more, but are open."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found = entry.stat()
                if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                    yield found.st_blocks * BLOCK


def _groups() -> Iterator[tuple[int, int]]:
    """Every process and its group (proc_pid_stat(5))."""
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                yield int(entry.name), int(Path(entry.path, "stat").read_text().rpartition(") ")[2].split()[2])
