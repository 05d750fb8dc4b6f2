"""Sees that running downloads keep within their disk, memory and processes, which the kernel bounds one by one only.

What can't be looked at counts as too much: it ends that child, never the watch.
"""

import asyncio
import contextlib
import logging
import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children import folder_tree
from vidferry_worker.children.zygote import Child, Zygote

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""seconds"""
MAX_PROCESSES = 32
"""of one child: yt-dlp, and ffmpeg or the JavaScript runtime"""
MAX_THREADS = 512
"""of one child: ffmpeg and the runtime start some for each processor"""
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_MEMORY = (b"RssAnon:", b"RssShmem:", b"VmSwap:", b"VmPTE:")
"""of proc_pid_status(5): what is not the page cache's, and the tables of pages, which pages only read fill too"""
SOCKET, PIPE = 256 * 1024, 64 * 1024
"""bytes of the kernel's that each may hold, as if it were full: the pod's limit counts them"""

_GONE = (b"Z", b"X")
"""of proc_pid_stat(5): ended, and not yet reaped"""
_BUFFERS = {stat.S_IFSOCK: SOCKET, stat.S_IFIFO: PIPE}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of downloads."""

    download: int
    """bytes on disk of one: two streams and what they are merged into"""
    worker: int
    """bytes on disk of all"""
    memory: int
    """bytes in memory of all processes of one: with those that it shares with the zygote, and what the kernel may hold
    for its sockets and pipes"""


@dataclass(slots=True)
class Usage:
    """The resources that a child takes."""

    disk: int = 0
    memory: int = 0
    processes: int = 0
    living: int = 0
    """of them: those that wait to be reaped have given everything back, which an end may take long for"""
    threads: int = 0
    cpu_seconds: float = 0
    hidden: str = ""
    """why it can't be told"""


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    group: int
    is_living: bool
    threads: int
    cpu_seconds: float
    """with that of its children that have ended"""


class ResourceMonitor:
    """The monitor of all children of a worker."""

    def __init__(self, zygote: Zygote, bounds: Bounds, processes: int = MAX_PROCESSES) -> None:
        self._zygote, self._bounds, self._processes = zygote, bounds, processes
        self._thread = ThreadPoolExecutor(1, "watch")  # its own: nothing that a site slows holds it up

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                if children := [child for child in self._zygote.children if child.pid]:
                    await self.look(children)
        finally:
            self._thread.shutdown(wait=False)

    async def look(self, children: list[Child]) -> None:
        """Ends those that have too much."""
        known = [(child.pid, child.folder) for child in children]
        used = await asyncio.get_running_loop().run_in_executor(self._thread, measure, known)
        running = [child for child in children if not child.exited.done()]
        for child in running:
            if too_much := self._excess(child, used[child.pid]):
                end(child, *too_much)
        if running and sum(usage.disk for usage in used.values()) > self._bounds.worker:
            largest = max(running, key=lambda child: used[child.pid].disk)
            end(largest, ErrorCode.DISK_FULL, "all downloads together have too many bytes of files")

    def _excess(self, child: Child, used: Usage) -> tuple[ErrorCode, str] | None:
        """What a child has too much of, and the code for that."""
        most_cpu = float("inf") if child.cpu_seconds is None else child.cpu_seconds
        checks = (
            (bool(used.hidden), ErrorCode.RESOURCES_EXCEEDED, used.hidden),
            (used.processes > self._processes, ErrorCode.RESOURCES_EXCEEDED, f"{used.processes} processes"),
            (used.threads > MAX_THREADS, ErrorCode.RESOURCES_EXCEEDED, f"{used.threads} threads"),
            (used.memory > self._bounds.memory, ErrorCode.RESOURCES_EXCEEDED, f"{used.memory} bytes of memory"),
            (used.cpu_seconds > most_cpu, ErrorCode.RESOURCES_EXCEEDED, f"{used.cpu_seconds} seconds of a processor"),
            (used.disk > self._bounds.download, ErrorCode.TOO_LARGE, f"{used.disk} bytes of files"),
        )
        return next(((code, why) for is_too_much, code, why in checks if is_too_much), None)


def end(child: Child, code: ErrorCode, why: str) -> None:
    """Ends a child that has too much of something."""
    logger.warning("child ended for its use of resources", extra={"pid": child.pid, "code": code, "why": why})
    child.fail(code, why)


def measure(children: Sequence[tuple[int, Path | None]]) -> dict[int, Usage]:
    """What each takes: given are its pid, which is its group's, and its folder, None where files don't matter."""
    groups: dict[int, list[_Process]] = defaultdict(list)
    for process in _processes():
        groups[process.group].append(process)
    return {pid: _of_child(folder, groups[pid]) for pid, folder in children}


def _of_child(folder: Path | None, processes: Sequence[_Process]) -> Usage:
    used = Usage(
        processes=len(processes),
        living=sum(process.is_living for process in processes),
        threads=sum(process.threads for process in processes),
        cpu_seconds=sum(process.cpu_seconds for process in processes),
    )
    if used.processes > MAX_PROCESSES:  # that is enough to know
        return used
    try:
        used.disk = folder_tree.measure(folder) if folder else 0
        held: dict[tuple[int, int], int] = {}
        for process in processes:
            memory, files = _held_by(process.pid)
            used.memory += memory
            for found in files:
                if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:  # it has no name any more
                    used.disk += found.st_blocks * folder_tree.BLOCK
                elif buffer := _BUFFERS.get(stat.S_IFMT(found.st_mode)):
                    held[found.st_dev, found.st_ino] = buffer
        used.memory += sum(held.values())
    except (OSError, ValueError, folder_tree.Immeasurable) as error:
        used.hidden = f"it can't be measured: {error}"
    return used


def _held_by(pid: int) -> tuple[int, list[os.stat_result]]:
    """The bytes in memory and the open files of a process, nothing of one that has ended.

    OSError where they can't be looked at. Those of one that has ended and waits to be reaped can't either, unless by
    root: the kernel takes it for root's then.
    """
    while seen := _living(pid):
        try:
            return _memory(seen), list(_open_files(seen))
        except PermissionError:
            if _living(pid) == seen:
                raise
    return 0, []


def _living(pid: int) -> Path | None:
    """Where a thread of the process is looked at that has memory: the first one may end before the others."""
    process = Path("/proc", str(pid))
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return next(filter(_has_memory, chain([process], (process / "task").iterdir())), None)
    return None


def _has_memory(thread: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return not (thread / "statm").read_text().startswith("0 ")
    return False


def _open_files(thread: Path) -> Iterator[os.stat_result]:
    ended = contextlib.suppress(FileNotFoundError, ProcessLookupError)
    with ended, os.scandir(thread / "fd") as listing:
        for entry in listing:
            with ended:
                yield entry.stat()


def _memory(thread: Path) -> int:
    """Bytes of its process that are its own or shared, in memory and swapped out."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        lines = (thread / "status").read_bytes().split(b"\n")  # alone: the kernel escapes it in the process's name
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(_MEMORY))
    return 0


def _processes() -> Iterator[_Process]:
    """All that run (proc_pid_stat(5))."""
    with os.scandir("/proc") as listing:
        for entry in listing:
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    # Bytes: a name among them is whatever its process chose.
                    fields = Path(entry.path, "stat").read_bytes().rpartition(b") ")[2].split()
                    is_living, ticks = fields[0] not in _GONE, sum(map(int, fields[11:15]))
                    yield _Process(int(entry.name), int(fields[2]), is_living, int(fields[17]), ticks / _TICKS_A_SECOND)
