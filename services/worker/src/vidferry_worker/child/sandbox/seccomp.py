"""Builds and installs the filter of system calls, in the kernel's classic BPF (seccomp(2)), by seccomp_rules.py."""

import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Iterable, Iterator

from vidferry_worker.child.sandbox import kernel
from vidferry_worker.child.sandbox.seccomp_rules import ALLOWED_COMMANDS, FORBIDDEN
from vidferry_worker.child.sandbox.syscalls import NEWEST, syscall_number

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_X32 = 0x40000000  # arch/x86/include/uapi/asm/unistd.h: the other numbering of the same calls
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # struct seccomp_data
_LOAD, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _AND, _RETURN = (
    0x20,
    0x15,
    0x25,
    0x35,
    0x45,
    0x54,
    0x06,
)  # linux/bpf_common.h
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000  # linux/seccomp.h
_SET_MODE_FILTER = 1
_BLOCK = 8
_INSTRUCTION = struct.Struct("HBBI")  # struct sock_filter

# sched.h. A thread and a vfork are clones without these; with CLONE_PARENT the child would be the zygote's.
_CLONE_NEW, _CLONE_PARENT = 0x7E020000, 0x00008000
# The resource monitor counts the open files of processes: a thread has to share those of its process.
_CLONE_THREAD, _CLONE_FILES, _CLOSE_RANGE_UNSHARE = 0x00010000, 0x00000400, 2
_FASTOPEN = 0x20000000  # MSG_FASTOPEN: sendto connects, even a socket that is connected already
_SOL_SOCKET, _SO_LINGER = 1, 13  # asm-generic/socket.h: makes close() wait, also in the worker, which shares the socket
_SO_SNDBUF, _SO_RCVBUF = 7, 8  # kernel memory of a socket: the resource monitor assumes the default
_SIGKILL = 9

Instruction = tuple[int, int, int, int]
_REFUSE: Instruction = (_RETURN, 0, 0, _ERRNO | errno.EPERM)


def build_filter(machine: str) -> bytes:
    """The filter for an architecture; KeyError for an unknown one."""
    return _pack_instructions([
        *_check_architecture(machine),
        (_GREATER, 0, 1, NEWEST),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),  # libraries handle it
        *_refuse_calls(machine, (name for names in FORBIDDEN.values() for name in names), errno.EPERM),
        *_refuse_calls(machine, ["clone3"], errno.ENOSYS),  # its flags are in memory; libraries then use clone
        *_check_arguments(machine),
        (_RETURN, 0, 0, _ALLOW),
    ])  # fmt: skip


def build_refusing_filter(machine: str, names: Iterable[str]) -> bytes:
    """A filter under which the kernel seems to lack some calls, for tests."""
    return _pack_instructions(
        [*_check_architecture(machine), *_refuse_calls(machine, names, errno.ENOSYS), (_RETURN, 0, 0, _ALLOW)]
    )


def _check_architecture(machine: str) -> Iterator[Instruction]:
    """Kills a process that uses the numbers of another architecture; loads the number of the call."""
    yield _LOAD, 0, 0, _ARCH
    yield _EQUAL, 1, 0, _ARCHITECTURES[machine]
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _NR
    if machine == "x86_64":
        yield _AT_LEAST, 0, 1, _X32
        yield _RETURN, 0, 0, _KILL


def _pack_instructions(instructions: Iterable[Instruction]) -> bytes:
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in instructions)


def _refuse_calls(machine: str, names: Iterable[str], error: int) -> Iterator[Instruction]:
    """Refuses calls, in blocks that greater numbers skip: the kernel runs a new filter for all call numbers."""
    known = []
    for name in names:
        with contextlib.suppress(KeyError):  # the architecture doesn't have the call
            known.append(syscall_number(name, machine))
    known.sort()
    for start in range(0, len(known), _BLOCK):
        block = known[start : start + _BLOCK]
        yield _GREATER, 2 * len(block), 0, block[-1]
        for nr in block:
            yield _EQUAL, 0, 1, nr
            yield _RETURN, 0, 0, _ERRNO | error


def _check_arguments(machine: str) -> Iterator[Instruction]:
    """Refuses calls by an argument. Arguments have 64 bits; the kernel reads those that are checked as int."""
    yield from _refuse_if(machine, "clone", (0, _ANY_BIT, _CLONE_NEW | _CLONE_PARENT))
    checks = [*_load_argument(0), (_AND, 0, 0, _CLONE_THREAD | _CLONE_FILES), (_EQUAL, 0, 1, _CLONE_THREAD), _REFUSE]
    yield from _for_call(machine, "clone", checks, None)
    yield from _refuse_if(machine, "close_range", (2, _ANY_BIT, _CLOSE_RANGE_UNSHARE))
    yield from _refuse_if(machine, "sendto", (3, _ANY_BIT, _FASTOPEN))
    for option in (_SO_LINGER, _SO_SNDBUF, _SO_RCVBUF):
        yield from _refuse_if(machine, "setsockopt", (2, _EQUAL, option), only_if=(1, _SOL_SOCKET))
    for name, (argument, commands) in ALLOWED_COMMANDS.items():
        yield from _refuse_unless(machine, name, argument, [command.number for command in commands])
    # Limits of other processes of the same user.
    yield from _refuse_unless(machine, "prlimit64", 0, [0])
    # deno's runtime wakes itself through a socket pair. Only a stream can't be connected again, to a named socket.
    yield from _refuse_unless(machine, "socketpair", 0, [socket.AF_UNIX])
    yield from _refuse_unless(machine, "socketpair", 1, [socket.SOCK_STREAM], mask=0xF)
    # A child can't revoke that it dies with its parent.
    yield from _refuse_unless(machine, "prctl", 1, [_SIGKILL], only_if=(0, kernel.PR_SET_PDEATHSIG))


def _refuse_if(
    machine: str, name: str, test: tuple[int, int, int], only_if: tuple[int, int] | None = None
) -> Iterator[Instruction]:
    """Refuses a call whose argument has a value, or a bit of it. only_if: another argument and its value."""
    argument, operation, value = test
    yield from _for_call(machine, name, [*_load_argument(argument), (operation, 0, 1, value), _REFUSE], only_if)


def _refuse_unless(
    machine: str, name: str, argument: int, values: list[int], mask: int = 0xFFFFFFFF,
    only_if: tuple[int, int] | None = None,
) -> Iterator[Instruction]:  # fmt: skip
    """Refuses a call whose argument has none of the values. only_if: another argument and its value."""
    tests = [(_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    yield from _for_call(machine, name, [*_load_argument(argument), (_AND, 0, 0, mask), *tests, _REFUSE], only_if)


def _for_call(
    machine: str, name: str, look: list[Instruction], only_if: tuple[int, int] | None
) -> Iterator[Instruction]:
    """Runs the instructions for the call of that name, and loads the number of the call again."""
    guarded = [*_load_argument(only_if[0]), (_EQUAL, 0, len(look), only_if[1]), *look] if only_if else look
    yield _EQUAL, 0, len(guarded) + 1, syscall_number(name, machine)
    yield from guarded
    yield _LOAD, 0, 0, _NR


def _load_argument(argument: int) -> list[Instruction]:
    return [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument)]


class _Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def install_filter(instructions: bytes) -> None:
    """Installs a filter for this thread and all that it starts, irrevocably; OSError where the kernel can't.

    Needs PR_SET_NO_NEW_PRIVS.
    """
    held = _Program(len(instructions) // _INSTRUCTION.size, instructions)
    kernel.call_kernel(syscall_number("seccomp", kernel.machine_name()), _SET_MODE_FILTER, 0, ctypes.addressof(held))
