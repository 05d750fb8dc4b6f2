"""Landlock rules: which files a child and its programs may access, and whom they may connect to or signal."""

import ctypes
import os
import stat
from collections.abc import Iterable
from enum import IntFlag
from pathlib import Path

from vidferry_worker.child.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_PATH_BENEATH = 1


class Right(IntFlag):
    """The access rights LANDLOCK_ACCESS_FS_* (landlock(7))."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ = Right.READ_FILE | Right.READ_DIR
RUN = READ | Right.EXECUTE
# Regular files and folders, but no symbolic links, devices, sockets or pipes.
WORK = READ | Right.WRITE_FILE | Right.REMOVE_DIR | Right.REMOVE_FILE | Right.MAKE_DIR | Right.MAKE_REG | Right.REFER \
    | Right.TRUNCATE  # fmt: skip
_OF_FILES = Right.EXECUTE | Right.WRITE_FILE | Right.READ_FILE | Right.TRUNCATE | Right.IOCTL_DEV
# The rights that each ABI version added. All rights that the kernel knows are handled, and refused unless allowed.
_RIGHTS = {1: (1 << 13) - 1, 2: Right.REFER, 3: Right.TRUNCATE, 5: Right.IOCTL_DEV}
_NET_ABI, _ALL_TCP = 4, 0b11  # bind, connect
_SCOPE_ABI, _ALL_SCOPES = 6, 0b11  # abstract Unix sockets, signals


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr; an older kernel accepts it if the fields that it doesn't know are 0"""

    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    """struct landlock_path_beneath_attr"""

    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi_version() -> int:
    """The kernel's Landlock ABI version; OSError where Landlock is missing or disabled."""
    return kernel.call_kernel(_CREATE_RULESET, 0, 0, _CREATE_RULESET_VERSION)


class FileRules:
    """The files that all children of a zygote may access, opened once."""

    def __init__(self, version: int) -> None:
        self._handled = _Ruleset(
            sum(right for since, right in _RIGHTS.items() if since <= version),
            _ALL_TCP if version >= _NET_ABI else 0,
            _ALL_SCOPES if version >= _SCOPE_ABI else 0,
        )
        self._open: dict[tuple[int, int], tuple[int, Right]] = {}

    def allow_paths(self, paths: Iterable[str | Path], rights: Right) -> None:
        """Adds rights to paths; those that don't exist are ignored."""
        for path in paths:
            try:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            found = os.fstat(fd)
            known, before = self._open.setdefault((found.st_dev, found.st_ino), (fd, Right(0)))
            kept = rights if stat.S_ISDIR(found.st_mode) else rights & _OF_FILES
            self._open[found.st_dev, found.st_ino] = known, before | kept
            if known != fd:
                os.close(fd)

    def enforce(self, folder: str) -> None:
        """Restricts this thread and all that it starts, irrevocably, to these files and a work folder.

        Needs PR_SET_NO_NEW_PRIVS.
        """
        ruleset = kernel.call_kernel(_CREATE_RULESET, ctypes.addressof(self._handled), ctypes.sizeof(self._handled), 0)
        home = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        for fd, rights in (*self._open.values(), (home, WORK)):
            rule = _PathBeneath(rights & self._handled.fs, fd)
            kernel.call_kernel(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(rule), 0)
        kernel.call_kernel(_RESTRICT_SELF, ruleset, 0)
        for fd in (home, ruleset, *(fd for fd, _ in self._open.values())):
            os.close(fd)
