"""What the kernel tells of processes and of this machine."""

import os
import platform
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """On a processor so far, of all threads (schedstat counts nanoseconds, stat only ticks)."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def slab_kib() -> int:
    """The kernel's own objects, of all processes: what sockets cost beside their buffers."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            return int(line.split()[1])
    raise AssertionError("no Slab")


def described() -> str:
    kernel = ".".join(platform.release().split(".")[:2])
    return (
        f"{os.cpu_count()} cores ({platform.machine()}) shared with Redis, the load and other programs, "
        f"Linux {kernel.split('-')[0]}, Python {platform.python_version()}"
    )
