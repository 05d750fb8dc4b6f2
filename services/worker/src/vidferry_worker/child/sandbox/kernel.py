"""System calls for which Python has no function."""

import ctypes
import os
import platform

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True)

# syscall(2) is variadic, so each argument has to be as wide as a register.
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def call_kernel(number: int, *arguments: int) -> int:
    """Makes a system call and returns its result; OSError where it fails."""
    result = int(_syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments)))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def prctl(option: int, argument: int) -> None:
    """Sets an option for this thread; OSError where the kernel refuses."""
    if _libc.prctl(option, *(ctypes.c_ulong(value) for value in (argument, 0, 0, 0))):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def machine_name() -> str:
    """The machine's architecture by the kernel's name: `x86_64`, `aarch64` or another."""
    return platform.machine()
