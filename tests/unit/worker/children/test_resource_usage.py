"""What the watch sees of processes that are about to end, as an ordinary user, to whom the kernel shows less."""

import ctypes
import mmap
import os
import pickle
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vidferry_worker.child.sandbox import kernel
from vidferry_worker.children import resource_usage

NOBODY = 65534
LARGE = 64 * 1024**2
PR_SET_DUMPABLE, PR_SET_NAME = 4, 15
SYS_EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
"""ends a thread, where os._exit ends the process"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """That every user may read."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def become_ordinary() -> None:
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        kernel.prctl(PR_SET_DUMPABLE, 1)  # as after an exec: else it counts as one that hides


@contextmanager
def process(work: Callable[[Callable[[], object]], object]) -> Iterator[int]:
    """One of a group of its own, once its work has called what it is given."""
    done, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        become_ordinary()
        work(lambda: os.write(into, b"x"))
        threading.Event().wait()
    os.read(done, 1)
    try:
        yield pid
    finally:
        os.killpg(pid, 9)
        os.waitpid(pid, 0)
        os.close(done)
        os.close(into)


def measured(pid: int, folder: Path) -> resource_usage.ResourceUsage:
    out, into = os.pipe()
    looking = os.fork()
    if looking == 0:
        become_ordinary()
        os.write(into, pickle.dumps(resource_usage.measure_children([(pid, folder)])[pid]))
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        found = pickle.loads(pipe.read())
    os.waitpid(looking, 0)
    assert isinstance(found, resource_usage.ResourceUsage)
    return found


def test_one_that_waits_to_be_reaped_hides_nothing(folder: Path) -> None:
    """As an ffmpeg that has just ended."""

    def leave_one(done: Callable[[], object]) -> None:
        ended = os.fork()
        if ended == 0:
            os._exit(0)
        os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
        done()

    with process(leave_one) as pid:
        found = measured(pid, folder)

    assert (found.failure, found.processes) == ("", 2)


def test_memory_counts_where_the_first_thread_has_ended(folder: Path) -> None:
    def go_on_without_it(done: Callable[[], object]) -> None:
        first = Path("/proc/self/task", str(os.getpid()), "stat")

        def hold() -> None:
            with mmap.mmap(-1, LARGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
                held.write(b"\1" * LARGE)
                while first.read_text().rpartition(") ")[2][0] != "Z":
                    pass
                done()
                threading.Event().wait()

        threading.Thread(target=hold).start()
        ctypes.CDLL(None).syscall(SYS_EXIT, 0)

    with process(go_on_without_it) as pid:
        found = measured(pid, folder)

    assert found.failure == ""
    assert found.memory > LARGE


@pytest.mark.parametrize("name", [b"\xff) \xfe", b") R 1 1 1", b"\rVmPTE: -999999", b"\x85VmPTE: -99999"])
def test_a_name_hides_nothing(name: bytes, folder: Path) -> None:
    """It stands in /proc as its process chose it: no text must not end the watch, nor a line of its own count."""

    def take_it(done: Callable[[], object]) -> None:
        ctypes.CDLL(None).prctl(PR_SET_NAME, name, 0, 0, 0)
        kept = bytearray(b"x") * LARGE
        done()
        assert kept
        threading.Event().wait()

    with process(take_it) as pid:
        used = measured(pid, folder)
    assert (used.failure, used.processes) == ("", 1)
    assert used.memory >= LARGE
