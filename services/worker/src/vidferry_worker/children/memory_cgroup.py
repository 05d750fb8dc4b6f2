"""The memory of the worker's control group (cgroup): its limit, what is free of it, and out-of-memory kills."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class _Version:
    """The names of the files of one cgroup version, and of the fields in them."""

    filesystem: str
    option: str
    """a mount option that its hierarchy has"""
    limits: tuple[str, ...]
    """Above the first the kernel kills processes; above the others it slows them down while it reclaims memory."""
    used: str
    reclaimable: frozenset[str]
    """fields of `memory.stat` for what the kernel reclaims before it kills: not files in memory (tmpfs)"""
    kills: str


_V1 = _Version(
    "cgroup", "memory", ("memory.limit_in_bytes",), "memory.usage_in_bytes",
    frozenset(("total_active_file", "total_inactive_file")), "memory.oom_control",
)  # fmt: skip
_V2 = _Version(
    "cgroup2", "", ("memory.max", "memory.high"), "memory.current",
    frozenset(("active_file", "inactive_file", "slab_reclaimable")), "memory.events",
)  # fmt: skip


class MemoryCgroup:
    """A memory cgroup and its visible ancestors, of cgroup version 1 or 2 (cgroups(7))."""

    def __init__(self, folders: list[Path], version: _Version = _V2) -> None:
        self._own, self._version = folders[:1], version
        self._limited = [folder for folder in folders if _read_limit(folder, version) is not None]

    @classmethod
    def of_process(cls, process: Path = Path("/proc/self")) -> "MemoryCgroup":
        """The cgroup of a process; one without a limit where there is none."""
        try:
            lines = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
        except OSError:  # a kernel without control groups
            return cls([])
        paths = {controller: path for _, controllers, path in lines for controller in controllers.split(",")}
        for controller, version in (("memory", _V1), ("", _V2)):
            if controller in paths:
                return cls(_list_folders(process, version, paths[controller]), version)
        return cls([])

    @property
    def limit(self) -> int | None:
        """The lowest limit in bytes, of the cgroup and its ancestors."""
        limits = [_read_limit(folder, self._version) for folder in self._limited]
        return min((limit for limit in limits if limit is not None), default=None)

    def read_free(self) -> float:
        """The bytes that may still be used before the kernel kills processes."""
        return min(map(self._read_free_of, self._limited), default=float("inf"))

    def count_oom_kills(self) -> int:
        """How many processes of the cgroup the kernel has killed so far because memory ran out."""
        return sum(_read_fields(folder / self._version.kills).get("oom_kill", 0) for folder in self._own)

    def _read_free_of(self, folder: Path) -> float:
        limit = _read_limit(folder, self._version)
        if limit is None:
            return float("inf")
        stat, used = _read_fields(folder / "memory.stat"), _read_number(folder / self._version.used)
        if used is None:
            return float("inf")
        return limit - used + sum(stat.get(field, 0) for field in self._version.reclaimable)


def _list_folders(process: Path, version: _Version, path: str) -> list[Path]:
    """The folders of the cgroup and its ancestors, as far as they are visible: in a container often the first only."""
    for mount in _read_mounts(process):
        if mount.kind != version.filesystem or (version.option and version.option not in mount.options):
            continue
        if path.startswith("/..") or not PurePosixPath(path).is_relative_to(mount.root):
            return [mount.folder]
        within = PurePosixPath(path).relative_to(mount.root)
        return [mount.folder / each for each in (within, *within.parents)]
    return []


@dataclass(frozen=True, slots=True)
class _Mount:
    """One mount, as a process sees it."""

    device: str
    """major:minor"""
    root: str
    """the folder of the file system that is mounted: for a cgroup hierarchy, a cgroup"""
    folder: Path
    kind: str
    options: list[str]


def _read_mounts(process: Path) -> Iterator[_Mount]:
    """The mounts of a process, in the order of mounting (proc_pid_mountinfo(5))."""
    for line in (process / "mountinfo").read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        _, _, device, root, folder, *_ = before.split(" ")
        kind, _, options = after.split(" ", 2)
        yield _Mount(device, root, Path(folder), kind, options.split(","))


def _read_limit(folder: Path, version: _Version) -> int | None:
    limits = [_read_number(folder / name) for name in version.limits]
    return min((number for number in limits if number is not None), default=None)


def _read_number(file: Path) -> int | None:
    try:
        number = int(file.read_bytes())
    except (OSError, ValueError):  # the root cgroup has no such file, and `max` is not a number
        return None
    return number if number < _UNLIMITED else None


def _read_fields(file: Path) -> dict[str, int]:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    return {name: int(value) for name, value in map(str.split, lines)}


_UNLIMITED = 2**62
"""Where there is no limit, version 1 says a number somewhat above this."""


def is_in_memory(folder: Path, process: Path = Path("/proc/self")) -> bool:
    """Whether the files of a folder are kept in memory (tmpfs), so that the cgroup's limit counts them."""
    number = folder.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    kinds = [mount.kind for mount in _read_mounts(process) if mount.device == device]
    return kinds[:1] in (["tmpfs"], ["ramfs"])
