"""What the kernel tells of processes and of this machine."""

import os
import platform
import re
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
    """What a table was measured on."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    kernel = ".".join(platform.release().split("-")[0].split(".")[:2])
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory:.0f} GiB, Linux {kernel}, "
        f"Python {platform.python_version()}; shared with other programs, so read the ratios."
    )
