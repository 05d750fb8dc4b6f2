"""Measures what children take: their files on disk, and the memory, threads and CPU time of all their processes."""

import contextlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from vidferry_worker.children import folder_tree

MAX_PROCESSES = 32
"""of one child: yt-dlp, and ffmpeg or the JavaScript runtime"""
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_MEMORY_FIELDS = (b"RssAnon:", b"RssShmem:", b"VmSwap:", b"VmPTE:")
"""of proc_pid_status(5): all but the page cache. Page tables count, since pages that are only read fill them too."""
_ENDED_STATES = (b"Z", b"X")
"""of proc_pid_stat(5): ended, and not yet reaped"""
SOCKET_BUFFER, PIPE_BUFFER = 256 * 1024, 64 * 1024
"""bytes of the kernel's memory that each may hold, counted as if full: they count towards the pod's limit"""
_BUFFERS = {stat.S_IFSOCK: SOCKET_BUFFER, stat.S_IFIFO: PIPE_BUFFER}


@dataclass(slots=True)
class ResourceUsage:
    """The resources that one child takes."""

    disk: int = 0
    memory: int = 0
    processes: int = 0
    living: int = 0
    """processes of these that still hold memory: one that waits to be reaped has given it back"""
    threads: int = 0
    cpu_seconds: float = 0
    failure: str = ""
    """why it could not be measured"""


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    group: int
    is_living: bool
    threads: int
    cpu_seconds: float
    """its own, and that of its children that have ended"""


def measure_children(children: Sequence[tuple[int, Path | None]]) -> dict[int, ResourceUsage]:
    """The usage of each child by its pid, which is its process group too; its files are those of the folder, if any."""
    groups: dict[int, list[_Process]] = defaultdict(list)
    for process in _list_processes():
        groups[process.group].append(process)
    return {pid: _measure_child(folder, groups[pid]) for pid, folder in children}


def _measure_child(folder: Path | None, processes: Sequence[_Process]) -> ResourceUsage:
    usage = ResourceUsage(
        processes=len(processes),
        living=sum(process.is_living for process in processes),
        threads=sum(process.threads for process in processes),
        cpu_seconds=sum(process.cpu_seconds for process in processes),
    )
    if usage.processes > MAX_PROCESSES:  # too many already: the rest need not be known
        return usage
    try:
        usage.disk = folder_tree.measure(folder) if folder else 0
        _add_memory_and_open_files(usage, processes)
    except (OSError, ValueError, folder_tree.UnmeasurableTree) as error:
        usage.failure = f"it can't be measured: {error}"
    return usage


def _add_memory_and_open_files(usage: ResourceUsage, processes: Sequence[_Process]) -> None:
    buffers: dict[tuple[int, int], int] = {}
    for process in processes:
        memory, files = _read_memory_and_files(process.pid)
        usage.memory += memory
        for file in files:
            if stat.S_ISREG(file.st_mode) and file.st_nlink == 0:  # deleted, so it is not in the folder
                usage.disk += file.st_blocks * folder_tree.BLOCK
            elif buffer := _BUFFERS.get(stat.S_IFMT(file.st_mode)):
                buffers[file.st_dev, file.st_ino] = buffer
    usage.memory += sum(buffers.values())


def _read_memory_and_files(pid: int) -> tuple[int, list[os.stat_result]]:
    """The bytes in memory and the open files of a process; nothing if it has ended. OSError where it can't be read.

    A process that has ended and waits to be reaped can't be read either, but by root: the kernel makes it root's.
    """
    while thread := _find_living_thread(pid):
        try:
            return _read_memory(thread), list(_list_open_files(thread))
        except PermissionError:
            if _find_living_thread(pid) == thread:
                raise
    return 0, []


def _find_living_thread(pid: int) -> Path | None:
    """The folder in /proc of a thread that still has memory: the first thread may end before the others."""
    process = Path("/proc", str(pid))
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return next(filter(_has_memory, chain([process], (process / "task").iterdir())), None)
    return None


def _has_memory(thread: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return not (thread / "statm").read_text().startswith("0 ")
    return False


def _list_open_files(thread: Path) -> Iterator[os.stat_result]:
    ended = contextlib.suppress(FileNotFoundError, ProcessLookupError)
    with ended, os.scandir(thread / "fd") as listing:
        for entry in listing:
            with ended:
                yield entry.stat()


def _read_memory(thread: Path) -> int:
    """The bytes of its process, private or shared, in memory and swapped out."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        lines = (thread / "status").read_bytes().split(b"\n")  # safe: the kernel escapes newlines in the process's name
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(_MEMORY_FIELDS))
    return 0


def _list_processes() -> Iterator[_Process]:
    """All running processes (proc_pid_stat(5))."""
    with os.scandir("/proc") as listing:
        for entry in listing:
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    # As bytes: the name among them may be any bytes that the process chose.
                    fields = Path(entry.path, "stat").read_bytes().rpartition(b") ")[2].split()
                    is_living, ticks = fields[0] not in _ENDED_STATES, sum(map(int, fields[11:15]))
                    yield _Process(int(entry.name), int(fields[2]), is_living, int(fields[17]), ticks / _TICKS_A_SECOND)
