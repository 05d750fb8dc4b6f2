"""Confines a child, and ffmpeg and deno that it starts: no network, no files but its own, no other processes.

seccomp.py limits system calls, landlock.py files. The zygote prepares the sandbox once, so that a fork only enters it.
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
from vidferry_worker.child.sandbox.syscalls import syscall_number
from vidferry_worker.children.confinement import Confinement, Sandbox

PROGRAMS = ("ffmpeg", "ffprobe", "deno")
# Libraries and the loader; then certificates, the time zone, and what the JavaScript engine reads about the machine.
SYSTEM_FOLDERS = ("/usr", "/bin", "/lib", "/lib64", "/nix/store")
SYSTEM_FILES = (
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types",
    "/dev/urandom", "/dev/random", "/dev/zero", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
)  # fmt: skip
MAX_OPEN_FILES = 512
OOM_SCORE = "1000"
"""Out of memory, the kernel kills children and their programs before the worker and its zygote, whatever their size
(proc_pid_oom_score_adj(5))."""
_CAPABILITIES_V3 = 0x20080522  # linux/capability.h


class PreparedSandbox:
    """The sandbox that all children of a zygote enter."""

    def __init__(self, confinement: Confinement) -> None:
        self._confinement = confinement
        self._filter: bytes | None = None
        self._rules: landlock.FileRules | None = None
        self.active_parts: list[str] = []
        """those of `seccomp` and `landlock` that the kernel supports"""
        if confinement.sandbox is not Sandbox.OFF:
            self._prepare_filter()
            self._prepare_rules()

    @property
    def is_complete(self) -> bool:
        """Whether the kernel supports all of it, and the settings want it."""
        return bool(self._filter and self._rules)

    def enter(self, folder: str) -> None:
        """Confines this process, which has one thread, to a folder, irrevocably."""
        self._set_limits()
        if self._filter or self._rules:
            _drop_capabilities()
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if self._rules:
            self._rules.enforce(folder)
        if self._filter:
            seccomp.install_filter(self._filter)

    def _set_limits(self) -> None:
        """Sets resource limits; not RLIMIT_AS, since V8 reserves address space; not RLIMIT_NPROC, which is per user."""
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
            file.write(OOM_SCORE)

    def _prepare_filter(self) -> None:
        try:
            program = seccomp.build_filter(kernel.machine_name())
        except KeyError:  # an architecture that syscalls.py doesn't know
            return
        if _succeeds_in_fork(lambda: seccomp.install_filter(program)):
            self._filter = program
            self.active_parts.append("seccomp")

    def _prepare_rules(self) -> None:
        try:
            rules = landlock.FileRules(landlock.abi_version())
        except OSError:
            return
        rules.allow_paths(SYSTEM_FOLDERS, landlock.RUN)
        rules.allow_paths(SYSTEM_FILES, landlock.READ)
        rules.allow_paths(_own_code(), landlock.RUN)
        rules.allow_paths((os.path.realpath(path) for path in map(shutil.which, PROGRAMS) if path), landlock.RUN)
        rules.allow_paths(self._confinement.readable, landlock.RUN)
        rules.allow_paths(["/dev/null"], landlock.Right.READ_FILE | landlock.Right.WRITE_FILE)
        if _succeeds_in_fork(lambda: rules.enforce("/")):
            self._rules = rules
            self.active_parts.append("landlock")


def _own_code() -> list[str]:
    """The folders of the interpreter and the packages, and of their sources in an editable install."""
    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path}
    return sorted(path for path in folders if path and Path(path).parent != Path(path))


def _succeeds_in_fork(attempt: Callable[[], None]) -> bool:
    """Whether an attempt succeeds. It is made in a forked process, since it can't be undone."""
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
    """Drops all capabilities, which a child of a worker that is root has; PR_SET_NO_NEW_PRIVS keeps them away."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    kernel.call_kernel(
        syscall_number("capset", kernel.machine_name()), ctypes.addressof(header), ctypes.addressof(nothing)
    )
