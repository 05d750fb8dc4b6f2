"""The memory that the kernel leaves to this worker: the limit of its control group, and what is taken of it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class _Version:
    """The names of a version's files, and of the fields in them."""

    filesystem: str
    option: str
    """that its mount has"""
    limits: tuple[str, ...]
    """above the first the kernel ends processes, above the others it makes them wait for pages to be given back"""
    used: str
    reclaimable: frozenset[str]
    """of `memory.stat`: what the kernel takes back before it ends anything; no files in memory (tmpfs) are among it"""
    kills: str


_V1 = _Version(
    "cgroup", "memory", ("memory.limit_in_bytes",), "memory.usage_in_bytes",
    frozenset(("total_active_file", "total_inactive_file")), "memory.oom_control",
)  # fmt: skip
_V2 = _Version(
    "cgroup2", "", ("memory.max", "memory.high"), "memory.current",
    frozenset(("active_file", "inactive_file", "slab_reclaimable")), "memory.events",
)  # fmt: skip


class MemoryGroup:
    """A control group of memory with those above it that can be seen, of either version (cgroups(7))."""

    def __init__(self, folders: list[Path], version: _Version = _V2) -> None:
        self._own, self._version = folders[:1], version
        self._limited = [folder for folder in folders if _limit(folder, version) is not None]

    @classmethod
    def of(cls, process: Path = Path("/proc/self")) -> "MemoryGroup":
        """The one that a process is in; one without a limit where none is found."""
        try:
            lines = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
        except OSError:  # a kernel without control groups
            return cls([])
        paths = {controller: path for _, controllers, path in lines for controller in controllers.split(",")}
        for controller, version in (("memory", _V1), ("", _V2)):
            if controller in paths:
                return cls(_folders(process, version, paths[controller]), version)
        return cls([])

    @property
    def limit(self) -> int | None:
        """The least bytes of those that bound it."""
        found = [_limit(folder, self._version) for folder in self._limited]
        return min((limit for limit in found if limit is not None), default=None)

    def left(self) -> float:
        """The bytes that may be taken before the kernel ends processes."""
        return min(map(self._left_in, self._limited), default=float("inf"))

    def kills(self) -> int:
        """How many of its processes the kernel has ended since it was made because memory ran out."""
        return sum(_fields(folder / self._version.kills).get("oom_kill", 0) for folder in self._own)

    def _left_in(self, folder: Path) -> float:
        limit = _limit(folder, self._version)
        if limit is None:
            return float("inf")
        stat, used = _fields(folder / "memory.stat"), _number(folder / self._version.used)
        if used is None:
            return float("inf")
        return limit - used + sum(stat.get(field, 0) for field in self._version.reclaimable)


def _folders(process: Path, version: _Version, path: str) -> list[Path]:
    """The group's own, and those above it as far as they can be seen: in a container often the first alone."""
    for mount in _mounts(process):
        if mount.kind != version.filesystem or (version.option and version.option not in mount.options):
            continue
        if path.startswith("/..") or not PurePosixPath(path).is_relative_to(mount.root):
            return [mount.folder]
        within = PurePosixPath(path).relative_to(mount.root)
        return [mount.folder / each for each in (within, *within.parents)]
    return []


@dataclass(frozen=True, slots=True)
class _Mount:
    """What is mounted somewhere, as a process sees it."""

    device: str
    """major:minor"""
    root: str
    """within the file system; of control groups, the group"""
    folder: Path
    kind: str
    options: list[str]


def _mounts(process: Path) -> Iterator[_Mount]:
    """In the order of mounting (proc_pid_mountinfo(5))."""
    for line in (process / "mountinfo").read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        _, _, device, root, folder, *_ = before.split(" ")
        kind, _, options = after.split(" ", 2)
        yield _Mount(device, root, Path(folder), kind, options.split(","))


def _limit(folder: Path, version: _Version) -> int | None:
    told = [_number(folder / name) for name in version.limits]
    return min((number for number in told if number is not None), default=None)


def _number(file: Path) -> int | None:
    try:
        number = int(file.read_bytes())
    except (OSError, ValueError):  # the topmost group has no such file, and `max` is no number
        return None
    return number if number < _UNLIMITED else None


def _fields(file: Path) -> dict[str, int]:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    return {name: int(value) for name, value in map(str.split, lines)}


_UNLIMITED = 2**62
"""what version 1 says where there is no limit is somewhat more"""


def is_in_memory(folder: Path, process: Path = Path("/proc/self")) -> bool:
    """Whether a folder's files are memory of the group (tmpfs)."""
    number = folder.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    kinds = [mount.kind for mount in _mounts(process) if mount.device == device]
    return kinds[:1] in (["tmpfs"], ["ramfs"])
