"""Which files a child and all that it starts may touch, and whom it may reach on this machine (landlock(7))."""

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
    """LANDLOCK_ACCESS_FS_*"""

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
# Regular files and folders: no links that lead out, no devices, sockets or pipes.
WORK = READ | Right.WRITE_FILE | Right.REMOVE_DIR | Right.REMOVE_FILE | Right.MAKE_DIR | Right.MAKE_REG | Right.REFER \
    | Right.TRUNCATE  # fmt: skip
_OF_FILES = Right.EXECUTE | Right.WRITE_FILE | Right.READ_FILE | Right.TRUNCATE | Right.IOCTL_DEV
# What each ABI brought. The rest is refused by being handled; a right that the kernel does not know is not named.
_RIGHTS = {1: (1 << 13) - 1, 2: Right.REFER, 3: Right.TRUNCATE, 5: Right.IOCTL_DEV}
_NET_ABI, _ALL_TCP = 4, 0b11  # bind, connect
_SCOPE_ABI, _ALL_SCOPES = 6, 0b11  # abstract Unix sockets, signals


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr; an older kernel takes it where what it does not know is 0"""

    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    """struct landlock_path_beneath_attr"""

    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi() -> int:
    """Of the kernel; OSError where it has no Landlock, or none that is switched on."""
    return kernel.call(_CREATE_RULESET, 0, 0, _CREATE_RULESET_VERSION)


class Rules:
    """The files that all children of a zygote may touch, found and opened once."""

    def __init__(self, version: int) -> None:
        self._handled = _Ruleset(
            sum(right for since, right in _RIGHTS.items() if since <= version),
            _ALL_TCP if version >= _NET_ABI else 0,
            _ALL_SCOPES if version >= _SCOPE_ABI else 0,
        )
        self._open: dict[tuple[int, int], tuple[int, Right]] = {}

    def allow(self, paths: Iterable[str | Path], rights: Right) -> None:
        """What is not there can't be allowed, and is passed over."""
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
        """For this thread and all that it starts, for ever; with a folder to work in. Needs PR_SET_NO_NEW_PRIVS."""
        ruleset = kernel.call(_CREATE_RULESET, ctypes.addressof(self._handled), ctypes.sizeof(self._handled), 0)
        home = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        for fd, rights in (*self._open.values(), (home, WORK)):
            rule = _PathBeneath(rights & self._handled.fs, fd)
            kernel.call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(rule), 0)
        kernel.call(_RESTRICT_SELF, ruleset, 0)
        for fd in (home, ruleset, *(fd for fd, _ in self._open.values())):
            os.close(fd)
