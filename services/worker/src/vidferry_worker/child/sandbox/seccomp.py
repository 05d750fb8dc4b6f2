"""Which system calls a child and all that it starts may make: a filter in the kernel's classic BPF (seccomp(2)).

FORBIDDEN names the calls that lead out of the child's own folder, processes and sockets, or to parts of the kernel that
none of its programs needs; other calls are allowed. Of three calls that are many in one, ALLOWED_COMMANDS names what a
child may ask, and nothing else.
"""

import contextlib
import ctypes
import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vidferry_worker.child.sandbox import kernel
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

FORBIDDEN = {
    "a network of its own: the broker hands it sockets that are connected": (
        "socket", "connect", "bind", "listen", "accept", "accept4",
    ),
    # What receives a file has to close it, and that may take as long as the sender likes (SO_LINGER).
    "open files passed to other processes": ("sendmsg", "sendmmsg"),
    "the names of files that others make": ("inotify_init", "inotify_init1", "inotify_add_watch"),
    "memory that counts as a file": ("memfd_create", "memfd_secret"),
    # A byte in one may hold a large page of 2 MiB, after its process has given it back or its file is gone.
    "memory that pipes keep": ("vmsplice", "splice", "sendfile"),
    "the memory and files of other processes": (
        "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_getfd",
        "kcmp", "migrate_pages", "move_pages",
    ),
    # The worker kills a child by its group, so none may be left; and those of the same user obey one another.
    "signals, groups and priorities": (
        "kill", "tkill", "tgkill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "setpgid", "setsid",
        "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "setpriority", "ioprio_set",
    ),
    # Within a user namespace of one's own nearly all of the kernel can be reached, also by an ordinary user.
    "namespaces and mounts": (
        "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
        "fsconfig", "fsmount", "fspick", "mount_setattr", "swapon", "swapoff",
    ),
    # Each with a history of faults by which a process became root; io_uring makes calls that no filter sees.
    "large interfaces of the kernel": (
        "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "userfaultfd", "perf_event_open", "keyctl",
        "add_key", "request_key", "fanotify_init", "name_to_handle_at", "open_by_handle_at", "lookup_dcookie",
        "nfsservctl", "uselib", "modify_ldt", "personality",
    ),
    "the machine itself, where the worker is root": (
        "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "syslog", "acct",
        "quotactl", "quotactl_fd", "iopl", "ioperm", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
        "sethostname", "setdomainname", "vhangup",
    ),
    "memory and queues shared by name with the same user's processes": (
        "shmget", "shmat", "msgget", "semget", "mq_open", "mq_unlink",
    ),
    # Landlock guards none of these (landlock(7), "Limitations"): not the modes of files that belong to the user,
    # and before ABI 3 not their truncation.
    "what files are, without opening them": (
        "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr",
        "removexattr", "lremovexattr", "fremovexattr", "truncate", "mknod", "mknodat", "utime", "utimes", "futimesat",
        "utimensat",
    ),
}  # fmt: skip


class Command(NamedTuple):
    """One of the many things that a call can do."""

    name: str
    number: int
    needed_for: str


ALLOWED_COMMANDS = {
    # asm-generic/ioctls.h, termbits.h; left out are FIOSETOWN and FIOASYNC, by which a process has others signalled.
    "ioctl": (
        1,
        (
            Command("TCGETS", 0x5401, "isatty() of the C library"),
            Command("TCGETS2", 0x802C542A, "the same since glibc 2.42"),
            Command("TIOCGWINSZ", 0x5413, "the terminal's size, which ffmpeg and deno ask for"),
            Command("FIONREAD", 0x541B, "how much of a socket or pipe can be read"),
            Command("FIONBIO", 0x5421, "timeouts of Python's sockets"),
            Command("FIONCLEX", 0x5450, "files handed to ffmpeg and deno"),
            Command("FIOCLEX", 0x5451, "files kept from ffmpeg and deno"),
        ),
    ),
    # asm-generic/fcntl.h and linux/fcntl.h; left out are owners, signals, leases and notices of folders.
    "fcntl": (
        1,
        (
            Command("F_DUPFD", 0, "copies of descriptors"),
            Command("F_GETFD", 1, "the flags of descriptors"),
            Command("F_SETFD", 2, "the flags of descriptors"),
            Command("F_GETFL", 3, "the modes of files"),
            Command("F_SETFL", 4, "the modes of files"),
            Command("F_GETLK", 5, "locks on files of the child's own"),
            Command("F_SETLK", 6, "locks on files of the child's own"),
            Command("F_SETLKW", 7, "locks on files of the child's own"),
            Command("F_DUPFD_CLOEXEC", 1030, "copies of descriptors"),
        ),
    ),
    # linux/prctl.h; left out is PR_SET_DUMPABLE, by which a process hides its open files from the worker.
    "prctl": (
        0,
        (
            Command("PR_SET_PDEATHSIG", kernel.PR_SET_PDEATHSIG, "programs that end with the child; SIGKILL alone"),
            Command("PR_SET_NAME", 15, "the names of threads"),
            Command("PR_GET_NAME", 16, "the names of threads"),
            Command("PR_SET_NO_NEW_PRIVS", kernel.PR_SET_NO_NEW_PRIVS, "deno's own start"),
        ),
    ),
}  # fmt: skip
"""By call: which argument tells what is asked, and what may be asked."""

# sched.h. A thread and a vfork are clones without these; with CLONE_PARENT the child would be the zygote's.
_CLONE_NEW, _CLONE_PARENT = 0x7E020000, 0x00008000
# The watch looks at the open files of processes: a thread's are its process's.
_CLONE_THREAD, _CLONE_FILES, _CLOSE_RANGE_UNSHARE = 0x00010000, 0x00000400, 2
_FASTOPEN = 0x20000000  # MSG_FASTOPEN: connects in sendto, also a socket that was connected elsewhere before
_SOL_SOCKET, _SO_LINGER = 1, 13  # asm-generic/socket.h: close() waits, also in the worker, which has the socket too
_SO_SNDBUF, _SO_RCVBUF = 7, 8  # the kernel's memory, which the watch counts by what a socket has unless it is changed
_SIGKILL = 9

Instruction = tuple[int, int, int, int]
_REFUSE: Instruction = (_RETURN, 0, 0, _ERRNO | errno.EPERM)


def build_filter(machine: str) -> bytes:
    """The filter for an architecture; KeyError for one that it does not know."""
    return _pack_instructions([
        *_check_architecture(machine),
        (_GREATER, 0, 1, NEWEST),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),  # to which libraries have an answer
        *_refuse_calls(machine, (name for names in FORBIDDEN.values() for name in names), errno.EPERM),
        *_refuse_calls(machine, ["clone3"], errno.ENOSYS),  # its flags are in memory; libraries then use clone
        *_check_arguments(machine),
        (_RETURN, 0, 0, _ALLOW),
    ])  # fmt: skip


def build_refusing_filter(machine: str, names: Iterable[str]) -> bytes:
    """A filter that makes a kernel one without some calls."""
    return _pack_instructions(
        [*_check_architecture(machine), *_refuse_calls(machine, names, errno.ENOSYS), (_RETURN, 0, 0, _ALLOW)]
    )


def _check_architecture(machine: str) -> Iterator[Instruction]:
    """Ends who calls by other numbers, and loads the call's."""
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
    """In blocks, which greater numbers pass by: the kernel tries a new filter with every call there is."""
    known = []
    for name in names:
        with contextlib.suppress(KeyError):  # what an architecture does not have, it can't be asked for
            known.append(syscall_number(name, machine))
    known.sort()
    for start in range(0, len(known), _BLOCK):
        block = known[start : start + _BLOCK]
        yield _GREATER, 2 * len(block), 0, block[-1]
        for nr in block:
            yield _EQUAL, 0, 1, nr
            yield _RETURN, 0, 0, _ERRNO | error


def _check_arguments(machine: str) -> Iterator[Instruction]:
    """Calls that depend on an argument. Arguments are of 64 bits; those looked at are read as int by the kernel."""
    yield from _refuse_if(machine, "clone", (0, _ANY_BIT, _CLONE_NEW | _CLONE_PARENT))
    looks = [*_load_argument(0), (_AND, 0, 0, _CLONE_THREAD | _CLONE_FILES), (_EQUAL, 0, 1, _CLONE_THREAD), _REFUSE]
    yield from _for_call(machine, "clone", looks, None)
    yield from _refuse_if(machine, "close_range", (2, _ANY_BIT, _CLOSE_RANGE_UNSHARE))
    yield from _refuse_if(machine, "sendto", (3, _ANY_BIT, _FASTOPEN))
    for option in (_SO_LINGER, _SO_SNDBUF, _SO_RCVBUF):
        yield from _refuse_if(machine, "setsockopt", (2, _EQUAL, option), only_if=(1, _SOL_SOCKET))
    for name, (argument, commands) in ALLOWED_COMMANDS.items():
        yield from _refuse_unless(machine, name, argument, [command.number for command in commands])
    # Limits of other processes of the same user.
    yield from _refuse_unless(machine, "prlimit64", 0, [0])
    # deno's runtime wakes itself by a pair. Only a stream can't be connected anew, to a socket with a name.
    yield from _refuse_unless(machine, "socketpair", 0, [socket.AF_UNIX])
    yield from _refuse_unless(machine, "socketpair", 1, [socket.SOCK_STREAM], mask=0xF)
    # The promise to end with its parent isn't taken back.
    yield from _refuse_unless(machine, "prctl", 1, [_SIGKILL], only_if=(0, kernel.PR_SET_PDEATHSIG))


def _refuse_if(
    machine: str, name: str, test: tuple[int, int, int], only_if: tuple[int, int] | None = None
) -> Iterator[Instruction]:
    """Refused where an argument is, or has a bit of, a value; looked at only where another one is only_if."""
    argument, operation, value = test
    yield from _for_call(machine, name, [*_load_argument(argument), (operation, 0, 1, value), _REFUSE], only_if)


def _refuse_unless(
    machine: str, name: str, argument: int, values: list[int], mask: int = 0xFFFFFFFF,
    only_if: tuple[int, int] | None = None,
) -> Iterator[Instruction]:  # fmt: skip
    """Refused where an argument is none of the values; looked at only where another one is only_if."""
    tests = [(_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    yield from _for_call(machine, name, [*_load_argument(argument), (_AND, 0, 0, mask), *tests, _REFUSE], only_if)


def _for_call(
    machine: str, name: str, look: list[Instruction], only_if: tuple[int, int] | None
) -> Iterator[Instruction]:
    """Has the instructions look at the call of that name, and loads its number again for what follows."""
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
    """For this thread and all that it starts, for ever. Needs PR_SET_NO_NEW_PRIVS. OSError where the kernel can't."""
    held = _Program(len(instructions) // _INSTRUCTION.size, instructions)
    kernel.call_kernel(syscall_number("seccomp", kernel.machine_name()), _SET_MODE_FILTER, 0, ctypes.addressof(held))
