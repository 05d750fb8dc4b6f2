"""Holds a child, and ffmpeg and deno that it starts: no network, no files but its own, nobody else's processes.

Two parts of the kernel do that: seccomp.py by the system calls, landlock.py by the files. What can be prepared is made
in the zygote, so that a fork pays for entering it alone.
"""

import contextlib
import ctypes
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from vidferry_worker.child.sandbox import kernel, landlock, seccomp
from vidferry_worker.child.sandbox.syscalls import number
from vidferry_worker.children.confinement import Confinement, Sandbox

PROGRAMS = ("ffmpeg", "ffprobe", "deno")
# Libraries and the loader; certificates and the clock's zone; what the JavaScript engine reads of its machine.
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/nix/store")
FACTS = (
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types",
    "/dev/urandom", "/dev/random", "/dev/zero", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
)  # fmt: skip
MAX_OPEN_FILES = 512
FIRST_TO_GO = "1000"
"""Where memory runs out, the kernel ends children and what they started before the worker and its zygote, however small
each of them is (proc_pid_oom_score_adj(5))."""
_CAPABILITIES_V3 = 0x20080522  # linux/capability.h


class PreparedSandbox:
    """The sandbox of all children of a zygote."""

    def __init__(self, confinement: Confinement) -> None:
        self._confinement = confinement
        self._filter: bytes | None = None
        self._rules: landlock.Rules | None = None
        self.parts: list[str] = []
        """those that the kernel has, of `seccomp` and `landlock`"""
        if confinement.sandbox is not Sandbox.OFF:
            self._prepare_filter()
            self._prepare_rules()

    def enter(self, folder: str) -> None:
        """Confines this process, which has one thread, to a folder; for ever."""
        self._limit()
        if self._filter or self._rules:
            _drop_capabilities()
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if self._rules:
            self._rules.enforce(folder)
        if self._filter:
            seccomp.install(self._filter)

    def _limit(self) -> None:
        """Not RLIMIT_AS, since V8 reserves address space; not RLIMIT_NPROC, which counts all that the user runs."""
        held = self._confinement
        for limit, most in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, held.max_bytes),
            (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
            (resource.RLIMIT_CPU, held.cpu_seconds),
            (resource.RLIMIT_DATA, held.memory),
        ):
            hard = resource.getrlimit(limit)[1]
            bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(limit, (bound, bound))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - it is the quickest
            file.write(FIRST_TO_GO)

    def _prepare_filter(self) -> None:
        try:
            program = seccomp.program(kernel.machine())
        except KeyError:  # an architecture that nobody wrote the numbers down for
            return
        if _works(lambda: seccomp.install(program)):
            self._filter = program
            self.parts.append("seccomp")

    def _prepare_rules(self) -> None:
        try:
            rules = landlock.Rules(landlock.abi())
        except OSError:
            return
        rules.allow(SYSTEM, landlock.RUN)
        rules.allow(FACTS, landlock.READ)
        rules.allow(_own_code(), landlock.RUN)
        rules.allow((os.path.realpath(path) for path in map(shutil.which, PROGRAMS) if path), landlock.RUN)
        rules.allow(self._confinement.readable, landlock.RUN)
        rules.allow(["/dev/null"], landlock.Right.READ_FILE | landlock.Right.WRITE_FILE)
        if _works(lambda: rules.enforce("/")):
            self._rules = rules
            self.parts.append("landlock")


def _own_code() -> list[str]:
    """The interpreter's and the packages' folders; where they are installed to be edited, their sources'."""
    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path}
    return sorted(path for path in folders if path and Path(path).parent != Path(path))


def _works(attempt: Callable[[], None]) -> bool:
    """Whether something that can't be undone can be done: tried in a child, which ends with it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            attempt()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _drop_capabilities() -> None:
    """A worker that is root would hand its children root's rights; with PR_SET_NO_NEW_PRIVS none come back."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    kernel.call(number("capset", kernel.machine()), ctypes.addressof(header), ctypes.addressof(nothing))
