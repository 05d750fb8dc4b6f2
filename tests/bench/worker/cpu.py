"""CPU seconds and memory of whole trees of processes, from /proc."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int(_stat(int(path.name))[1])
        except OSError:  # it has just ended
            continue
    found, at = [root], 0
    while at < len(found):
        found += [pid for pid, parent in parents.items() if parent == found[at]]
        at += 1
    return found


def children(root: int) -> list[int]:
    """Those that a process has started."""
    return [pid for pid in tree(root)[1:] if int(_stat(pid)[1]) == root]


def spent(root: int) -> float:
    """CPU seconds of a tree so far: of what runs, and of all that ended and was waited for."""
    total = 0
    for pid in tree(root):
        try:
            total += sum(int(ticks) for ticks in _stat(pid)[11:15])
        except OSError:
            continue
    return total / TICK


def rollup(pid: int) -> dict[str, int]:
    """/proc/<pid>/smaps_rollup in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.partition(":")[0]: int(line.split()[1]) // 1024 for line in lines}


def own(pid: int) -> int:
    """MB that a process shares with no other."""
    found = rollup(pid)
    return found["Private_Clean"] + found["Private_Dirty"]
