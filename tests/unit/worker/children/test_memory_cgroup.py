"""What is left of a container's memory, by either version of control groups."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.memory_group import ENTERING, memory_group
from vidferry_worker.children.memory_cgroup import MemoryCgroup, is_in_memory

MIB = 1024**2
NO_LIMIT = 9223372036854771712
"""as version 1 says it"""
HOLDS = f"""
import mmap, os, sys
with open(sys.argv[1], "wb") as file:
    file.write(bytes({64 * MIB}))
held = mmap.mmap(-1, {64 * MIB}, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
print("ready", flush=True)
sys.stdin.read()
"""


def of(home: Path, groups: str, mount: str, files: Mapping[str, Mapping[str, str]]) -> MemoryCgroup:
    """The group of a process that the kernel tells so of; its mounts are at home."""
    for folder, contents in files.items():
        (home / folder).mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            (home / folder / name).write_text(text)
    (home / "cgroup").write_text(groups)
    (home / "mountinfo").write_text(f"25 30 0:23 / /sys rw - sysfs sysfs rw\n{mount.format(home=home)}\n")
    return MemoryCgroup.of_process(home)


def version_1(limit: int, used: int, files: int = 0) -> dict[str, str]:
    stat = f"cache 1\nactive_file 7\ntotal_inactive_file {files - 5}\ntotal_active_file 5\n"
    return {
        "memory.limit_in_bytes": f"{limit}\n", "memory.usage_in_bytes": f"{used}\n", "memory.stat": stat,
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    }  # fmt: skip


def version_2(limit: str, used: int, files: int = 0, high: str = "max") -> dict[str, str]:
    stat = f"anon 1\nshmem 9\ninactive_file {files - 9}\nactive_file 5\nslab_reclaimable 4\nslab_unreclaimable 8\n"
    return {
        "memory.max": f"{limit}\n", "memory.high": f"{high}\n", "memory.current": f"{used}\n", "memory.stat": stat,
        "memory.events": "low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\noom_group_kill 0\n",
    }  # fmt: skip


def test_a_container_of_version_1(tmp_path: Path) -> None:
    """It sees its own group alone, mounted at the top, and is told of the machine's path."""
    groups = "9:pids:/\n4:memory:/kubepods/pod1/abc\n0::/kubepods/pod1/abc\n"
    mount = "35 31 0:32 /kubepods/pod1/abc {home}/m ro - cgroup cgroup rw,memory"
    group = of(tmp_path, groups, mount, {"m": version_1(1000, 700, files=200)})

    assert (group.limit, group.read_free(), group.count_oom_kills()) == (1000, 500, 3)


def test_a_container_of_version_2(tmp_path: Path) -> None:
    mount = "35 31 0:32 / {home}/c ro,nosuid - cgroup2 cgroup rw"
    group = of(tmp_path, "0::/\n", mount, {"c": version_2("1000", 700, files=200)})

    assert (group.limit, group.read_free(), group.count_oom_kills()) == (1000, 500, 2)


def test_what_makes_processes_wait_bounds_them_too(tmp_path: Path) -> None:
    mount = "35 31 0:32 / {home}/c ro - cgroup2 cgroup rw"
    group = of(tmp_path, "0::/\n", mount, {"c": version_2("1000", 700, files=200, high="900")})

    assert (group.limit, group.read_free()) == (900, 400)


def test_the_groups_above_bound_it_too(tmp_path: Path) -> None:
    """As systemd lays them; the topmost has no files for a limit."""
    mount = "35 31 0:32 / {home}/c rw - cgroup2 cgroup rw"
    files = {"c/user/app": version_2("2000", 700), "c/user": version_2("1000", 900), "c": {}}
    group = of(tmp_path, "0::/user/app\n", mount, files)

    assert (group.limit, group.read_free()) == (1000, 100)


@pytest.mark.parametrize(
    ("groups", "mount", "files"),
    [
        ("4:memory:/\n", "35 31 0:32 / {home}/c rw - cgroup cgroup rw,memory", version_1(NO_LIMIT, 700)),
        ("0::/\n", "35 31 0:32 / {home}/c rw - cgroup2 cgroup rw", version_2("max", 700)),
        ("0::/\n", "35 31 0:32 / {home}/c rw - cgroup2 cgroup rw", {}),
        ("0::/\n", "35 31 0:32 / {home}/c rw - cgroup cgroup rw,cpu", {}),
        ("", "", {}),
    ],
)
def test_one_without_a_limit(groups: str, mount: str, files: dict[str, str], tmp_path: Path) -> None:
    group = of(tmp_path, groups, mount, {"c": files})

    assert (group.limit, group.read_free()) == (None, float("inf"))


@pytest.mark.memory
def test_what_the_kernel_counts(tmp_path: Path) -> None:
    """Shared memory is taken; the pages of a file are not, for they can be given back."""
    limit = 500 * MIB
    with memory_group(limit) as folder:
        command = [*ENTERING, str(folder / "cgroup.procs"), sys.executable, "-c", HOLDS, str(tmp_path / "file")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holding:
            assert holding.stdout is not None
            assert holding.stdout.readline() == b"ready\n"
            group = MemoryCgroup.of_process(Path("/proc", str(holding.pid)))
            told, left = group.limit, group.read_free()
            holding.kill()

    assert told == limit
    assert 64 * MIB < limit - left < 100 * MIB


@pytest.mark.parametrize(("kind", "is_memory"), [("tmpfs", True), ("ext4", False)])
def test_folders_in_memory(kind: str, is_memory: bool, tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    mounted = f"{os.major(device)}:{os.minor(device)}"
    (tmp_path / "mountinfo").write_text(
        f"29 1 0:99 / / rw - overlay overlay rw\n30 29 {mounted} / / rw - {kind} none rw\n"
    )
    assert is_in_memory(tmp_path, tmp_path) is is_memory
