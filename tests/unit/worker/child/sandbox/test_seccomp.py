"""The filter, instruction by instruction, for both architectures: what it says of a call."""

import errno
import struct
from functools import cache

import pytest

from vidferry_worker.child.sandbox.seccomp import build_filter
from vidferry_worker.child.sandbox.seccomp_rules import ALLOWED_COMMANDS, FORBIDDEN
from vidferry_worker.child.sandbox.syscalls import NEWEST, NUMBERS, syscall_number

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003
ALLOWED, KILLED = 0x7FFF0000, 0x80000000
REFUSED, UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
NAMES = [name for names in FORBIDDEN.values() for name in names]
NEW_USER, NEW_NET, PARENT, SIGCHLD, THREAD = 0x10000000, 0x40000000, 0x8000, 17, 0x3D0F00


@cache
def instructions(machine: str) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack("<HBBI", build_filter(machine)))


def says(machine: str, nr: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter answers, as the kernel would run it."""
    given = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", nr, MACHINES[machine] if arch is None else arch, 0, *given)
    code = instructions(machine)
    at, held = 0, 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        match operation:
            case 0x20:
                (held,) = struct.unpack_from("<I", data, value)
            case 0x54:
                held &= value
            case 0x06:
                return int(value)
            case _:
                test = {0x15: held == value, 0x25: held > value, 0x35: held >= value, 0x45: bool(held & value)}
                at += yes if test[operation] else no


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_forbidden_is_refused(machine: str, name: str) -> None:
    if NUMBERS[name].aarch64 is not None or machine == "x86_64":
        assert says(machine, syscall_number(name, machine)) == REFUSED
    else:
        with pytest.raises(KeyError):
            syscall_number(name, machine)


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("clone", (SIGCHLD,), ALLOWED),
        ("clone", (THREAD,), ALLOWED),
        ("clone", (SIGCHLD | NEW_USER,), REFUSED),
        ("clone", (SIGCHLD | NEW_NET,), REFUSED),
        ("clone", (SIGCHLD | PARENT,), REFUSED),
        ("clone3", (), UNKNOWN),
        ("sendto", (3, 0, 9, 0x4000), ALLOWED),
        ("sendto", (3, 0, 9, 0x20000000), REFUSED),
        ("setsockopt", (3, 6, 1), ALLOWED),
        ("setsockopt", (3, 6, 13), ALLOWED),
        ("setsockopt", (3, 1, 9), ALLOWED),
        ("setsockopt", (3, 1, 13), REFUSED),
        ("setsockopt", (3, 1, 7), REFUSED),
        ("setsockopt", (3, 1, 8), REFUSED),
        ("socketpair", (1, 1), ALLOWED),
        ("socketpair", (1, 1 | 0o2004000), ALLOWED),
        ("socketpair", (1, 2), REFUSED),
        ("socketpair", (1, 5), REFUSED),
        ("socketpair", (2, 1), REFUSED),
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (1234, 7), REFUSED),
        ("prctl", (1, 9), ALLOWED),
        ("prctl", (1, 0), REFUSED),
        ("prctl", (4, 0), REFUSED),
        ("prctl", (1 << 32 | 4, 0), REFUSED),
    ],
)
@pytest.mark.parametrize("machine", MACHINES)
def test_what_depends_on_an_argument(machine: str, name: str, arguments: tuple[int, ...], answer: int) -> None:
    assert says(machine, syscall_number(name, machine), *arguments) == answer


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ALLOWED_COMMANDS)
def test_of_a_call_that_is_many_only_what_is_listed(machine: str, name: str) -> None:
    argument, commands = ALLOWED_COMMANDS[name]
    listed = {command.number for command in commands}

    def asked(command: int) -> int:
        given = [0, 9, 0]  # SIGKILL, of which PR_SET_PDEATHSIG is asked
        given[argument] = command
        return says(machine, syscall_number(name, machine), *given)

    tried = {*range(0x800), *range(0x5400, 0x5500), 0x8901, 0x802C542A, 0x53564D41}
    assert {command for command in tried if asked(command) == ALLOWED} == listed


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_newer_than_the_lists_is_unknown(machine: str) -> None:
    assert says(machine, NEWEST + 1) == UNKNOWN
    assert says(machine, 600) == UNKNOWN
    assert says(machine, NEWEST) == ALLOWED


def test_calls_by_another_numbering_end_the_process() -> None:
    assert says("x86_64", 20, arch=I386) == KILLED
    assert says("aarch64", 20, arch=MACHINES["x86_64"]) == KILLED
    assert says("x86_64", 0x40000000 | 41) == KILLED  # x32's socket
