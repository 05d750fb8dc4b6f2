"""What hostile code tries from inside a child, once it has taken over yt-dlp: run there instead of a download.

Each attack is a function of what it is aimed at. It returns where it worked, and raises OSError where it was refused.
The standard library alone is loaded, besides the child's own line to the broker.
"""

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.channel import Channel
from vidferry_worker.children import wire
from vidferry_worker.children.protocol import (
    Done,
    Extractors,
    Failed,
    FileDescription,
    FoundIdentity,
    FoundStream,
    VideoFound,
)

MSG_FASTOPEN = 0x20000000
TCP = socket.SOCK_STREAM
DENO = f"{sys.prefix}/bin/deno"
Target = dict[str, Any]
ATTACKS: dict[str, Callable[[Target], Any]] = {}
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_line: list[Channel] = []
_stacks: list[ctypes.Array[ctypes.c_char]] = []
"""of threads, which live as long as the process does"""


def run(sock: socket.socket) -> int:
    """In the place of vidferry_worker.child.download.run_download."""
    _line.append(Channel(sock))
    order = _line[0].receive_order()
    name = order.get("attack") or order["url"].rpartition("/")[2]  # where a whole pipeline gives the order
    try:
        ATTACKS[name](order.get("target", {}))
    except OSError as error:
        _tell_outcome(worked=False, error=f"{type(error).__name__}: {error}")
    else:
        _tell_outcome(worked=True)
    _line[0].receive_order()  # the test looks at what is there now
    return 0


def _tell_outcome(**facts: Any) -> None:
    """In the words of a download that has failed: a worker hears nothing else."""
    _line[0].send_event(Failed(ErrorCode.INTERNAL, json.dumps(facts)))


def attack(function: Callable[[Target], Any]) -> Callable[[Target], Any]:
    ATTACKS[function.__name__] = function
    return function


def syscall(number: int, *arguments: int | None) -> int:
    given = [ctypes.c_void_p(argument) for argument in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *given))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _in_a_child(act: Callable[[], object]) -> None:
    """What would change this process for good."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise PermissionError


# A network of its own.


@attack
def tcp(target: Target) -> None:
    socket.create_connection(("127.0.0.1", target["tcp"])).close()


@attack
def tcp_fast_open(target: Target) -> None:
    with socket.socket() as sock:
        sock.sendto(b"canary", MSG_FASTOPEN, ("127.0.0.1", target["tcp"]))


@attack
def multipath_tcp(target: Target) -> None:
    with socket.socket(socket.AF_INET, TCP, 262) as sock:
        sock.connect(("127.0.0.1", target["tcp"]))


@attack
def udp(target: Target) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"canary", ("127.0.0.1", target["udp"]))


@attack
def netlink(_: Target) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.bind((0, 0))


@attack
def unix_stream(target: Target) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(target["unix"])


@attack
def unix_abstract(target: Target) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + target["abstract"])


@attack
def unix_pair_made_to_reach_another(target: Target) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"canary", target["datagram"])


@attack
def listening(_: Target) -> None:
    with socket.socket() as sock:
        sock.listen()


@attack
def the_brokers_socket_connected_anew(target: Target) -> None:
    with _line[0].connect("127.0.0.1", target["public"], 10) as sock:
        nowhere = struct.pack("H14x", socket.AF_UNSPEC)
        if _libc.connect(sock.fileno(), nowhere, len(nowhere)):
            raise OSError(ctypes.get_errno(), "connect")
        sock.connect(("127.0.0.1", target["tcp"]))


# Files that are not its own.


@attack
def reading_a_file(target: Target) -> None:
    Path(target["file"]).read_bytes()


@attack
def writing_a_file(target: Target) -> None:
    with Path(target["file"]).open("ab") as file:
        file.write(b"changed")


@attack
def truncating_a_file(target: Target) -> None:
    os.truncate(target["file"], 0)


@attack
def changing_a_files_mode(target: Target) -> None:
    Path(target["file"]).chmod(0o777)


@attack
def touching_a_file(target: Target) -> None:
    os.utime(target["file"], (1, 1))


@attack
def removing_a_file(target: Target) -> None:
    Path(target["file"]).unlink()


@attack
def linking_a_file(target: Target) -> None:
    os.link(target["file"], "link.mp4")


@attack
def moving_a_file_in(target: Target) -> None:
    Path(target["file"]).rename("media.mp4")


@attack
def leaving_a_symlink(target: Target) -> None:
    Path("link.mp4").symlink_to(target["file"])


@attack
def leaving_a_pipe(_: Target) -> None:
    os.mkfifo("pipe.mp4")


@attack
def listing_a_folder(target: Target) -> None:
    list(Path(target["file"]).parent.iterdir())


@attack
def running_what_it_wrote(_: Target) -> None:
    with os.fdopen(os.open("program", os.O_WRONLY | os.O_CREAT, 0o700), "w") as file:
        file.write("#!/bin/sh\n")
    _in_a_child(lambda: os.execv("program", ["program"]))


@attack
def the_parents_environment(target: Target) -> None:
    Path(f"/proc/{target['worker']}/environ").read_bytes()


@attack
def the_parents_memory(target: Target) -> None:
    os.close(os.open(f"/proc/{target['worker']}/mem", os.O_RDWR))


@attack
def the_parents_files(target: Target) -> None:
    list(Path(f"/proc/{target['worker']}/fd").iterdir())


@attack
def watching_a_folder(target: Target) -> None:
    init, add = {"x86_64": (294, 254), "aarch64": (26, 27)}[os.uname().machine]
    path = ctypes.create_string_buffer(os.fsencode(Path(target["file"]).parent))
    syscall(add, syscall(init, 0), ctypes.addressof(path), 0x100)  # IN_CREATE


@attack
def passing_an_open_file(_: Target) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(ours, [b"x"], [0])


@attack
def hiding_its_open_files(_: Target) -> None:
    if _libc.prctl(4, 0, 0, 0, 0):  # PR_SET_DUMPABLE
        raise OSError(ctypes.get_errno(), "prctl")


# By the programs that it starts.


@attack
def ffmpeg_reading_a_file(target: Target) -> None:
    _run("ffprobe", "-show_format", "-f", "data", target["file"])


@attack
def ffmpeg_reaching_an_address(target: Target) -> None:
    _run("ffmpeg", "-f", "data", "-i", f"tcp://127.0.0.1:{target['tcp']}?timeout=1", "-f", "null", "-", code=None)


@attack
def javascript_reading_a_file(target: Target) -> None:
    _run(DENO, "eval", f"await Deno.readFile('{target['file']}')")


@attack
def javascript_reaching_an_address(target: Target) -> None:
    _run(DENO, "eval", f"await Deno.connect({{port: {target['tcp']}}})")


@attack
def javascript(_: Target) -> None:
    """No attack: what yt-dlp asks of it."""
    _run(DENO, "run", "--no-remote", "--no-npm", "--cached-only", "-", stdin=b"console.log([1, 2].map((x) => x * 2))")


def _run(*command: str, stdin: bytes = b"", code: int | None = 0) -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if code is not None and done.returncode != code:
        raise PermissionError(done.stderr.decode(errors="replace")[-300:])


# Other processes.


@attack
def a_signal(target: Target) -> None:
    os.kill(target["worker"], signal.SIGWINCH)


@attack
def a_signal_by_pidfd(target: Target) -> None:
    signal.pidfd_send_signal(os.pidfd_open(target["worker"]), signal.SIGWINCH)


@attack
def a_signal_by_a_files_owner(target: Target) -> None:
    reader, writer = os.pipe()
    for command, value in ((8, target["worker"]), (10, signal.SIGWINCH)):
        if _libc.fcntl(reader, command, value):
            raise OSError(ctypes.get_errno(), "fcntl")
    os.close(reader)
    os.close(writer)


@attack
def a_signal_by_a_sockets_owner(target: Target) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fcntl.ioctl(ours, 0x8901, struct.pack("i", target["worker"]))  # FIOSETOWN


@attack
def a_close_that_waits(target: Target) -> None:
    with _line[0].connect("127.0.0.1", target["public"], 10) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))


@attack
def memory_that_counts_as_a_file(_: Target) -> None:
    os.close(os.memfd_create("memory"))


@attack
def limits_of_the_parent(target: Target) -> None:
    resource.prlimit(target["worker"], resource.RLIMIT_NOFILE)


@attack
def the_parents_processors(target: Target) -> None:
    os.sched_setaffinity(target["worker"], os.sched_getaffinity(0))


@attack
def the_parents_priority(target: Target) -> None:
    os.setpriority(os.PRIO_PROCESS, target["worker"], os.getpriority(os.PRIO_PROCESS, target["worker"]))


@attack
def leaving_the_group(_: Target) -> None:
    _in_a_child(os.setsid)


@attack
def staying_when_the_parent_ends(_: Target) -> None:
    if _libc.prctl(1, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@attack
def a_child_of_the_zygote(_: Target) -> None:
    clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    if syscall(clone, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os._exit(0)


@attack
def a_thread_with_files_of_its_own(_: Target) -> None:
    """Which the files of its process don't show."""
    _stacks.append(ctypes.create_string_buffer(65536))
    top = (ctypes.addressof(_stacks[-1]) + 65536 - 64) // 16 * 16
    flags = 0x00050B00  # CLONE_VM, FS, SIGHAND, THREAD and SYSVSEM
    if _libc.clone(ctypes.cast(_libc.pause, ctypes.c_void_p), ctypes.c_void_p(top), flags, None) < 0:
        raise OSError(ctypes.get_errno(), "clone")


@attack
def files_apart_from_the_other_threads(_: Target) -> None:
    syscall(436, 1000, 1001, 2)  # close_range, CLOSE_RANGE_UNSHARE


@attack
def memory_that_a_pipe_keeps(_: Target) -> None:
    """After it was given back, and the whole of a large page for one byte."""
    held = ctypes.create_string_buffer(b"x", 1)
    piece = ctypes.create_string_buffer(struct.pack("2Q", ctypes.addressof(held), 1))
    _out, into = os.pipe()
    syscall({"x86_64": 278, "aarch64": 75}[os.uname().machine], into, ctypes.addressof(piece), 1, 0)


@attack
def a_files_memory_that_a_pipe_keeps(_: Target) -> None:
    Path("x").write_bytes(b"x")
    with Path("x").open("rb") as file:
        os.splice(file.fileno(), os.pipe()[1], 1)


@attack
def a_files_memory_that_a_pipe_is_sent(_: Target) -> None:
    Path("x").write_bytes(b"x")
    with Path("x").open("rb") as file:
        os.sendfile(os.pipe()[1], file.fileno(), 0, 1)


@attack
def memory_by_name(_: Target) -> None:
    key = syscall({"x86_64": 29, "aarch64": 194}[os.uname().machine], 0, 4096, 0o1600)
    _libc.shmctl(key, 0, None)


# The kernel.


@attack
def a_user_namespace(_: Target) -> None:
    unshare = {"x86_64": 272, "aarch64": 97}[os.uname().machine]
    _in_a_child(lambda: syscall(unshare, 0x10000000))


@attack
def a_user_namespace_by_clone3(_: Target) -> None:
    arguments = struct.pack("11Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    held = ctypes.create_string_buffer(arguments, len(arguments))
    if syscall(435, ctypes.addressof(held), len(arguments)) == 0:
        os._exit(0)


@attack
def keys(_: Target) -> None:
    syscall({"x86_64": 250, "aarch64": 219}[os.uname().machine], 0, -3 & 0xFFFFFFFF, 1)


@attack
def another_architectures_calls(_: Target) -> None:
    """getpid by the 32-bit entry, where it is called 20, as x86-64 calls writev."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


# What is made of what it tells.


@attack
def naming_extractors(target: Target) -> None:
    """After it may have read what somebody sent."""
    _line[0].connect("127.0.0.1", target["port"], 10).close()
    _line[0].send_event(Extractors(["youtube"]))


@attack
def naming_extractors_first(target: Target) -> None:
    _line[0].send_event(Extractors(["youtube"]))
    _line[0].connect("127.0.0.1", target["port"], 10).close()
    _line[0].send_event(Extractors(["kaltura"]))


# What is made of its file.


@attack
def writing_on(_: Target) -> None:
    """A download as any, after whose end two processes go on writing into its file."""
    identity = FoundIdentity("x", "site.example", "1", by_url=False)
    _line[0].send_event(VideoFound(identity, "x", 1.0, "", [FoundStream()]))
    _line[0].receive_order()
    with Path("media.mp4").open("wb") as file:
        file.write(b"\0\0\0\x18ftypmp42" + bytes(2**20))
        file.flush()
        _line[0].send_event(Done(FileDescription("media.mp4", "mov", "mp42", ["h264"], video=True, duration=1.0), None))
        os.fork()
        while True:
            os.pwrite(file.fileno(), os.urandom(16), 4096)


@attack
def outdated(_: Target) -> None:
    """An extraction that fails as one by an extractor that is out of date; it quotes a signed URL."""
    detail = "Unable to extract; https://u:SECRET@cdn.example/v.mp4?sig=SECRET"
    _line[0].send_event(Failed(ErrorCode.EXTRACTOR_OUTDATED, detail, yt_dlp_version="2026.1.2"))


@attack
def limited(_: Target) -> None:
    """An extraction at a site that wants to be left alone for two minutes."""
    _line[0].send_event(Failed(ErrorCode.RATE_LIMITED, "HTTP Error 429", 120))


@attack
def removed(_: Target) -> None:
    """An extraction of a video that is gone."""
    _line[0].send_event(Failed(ErrorCode.REMOVED, "This video has been removed"))


# What it may take.


@attack
def a_process_that_stays(_: Target) -> None:
    """The kernel's promise to end with its parent is made to nobody who does not ask for it."""
    if os.fork() == 0:
        while True:
            signal.pause()


@attack
def many_processes(target: Target) -> None:
    for _ in range(target["count"]):
        if os.fork() == 0:
            signal.pause()
    signal.pause()


@attack
def many_files(target: Target) -> None:
    for number in range(target["count"]):
        Path(f"{number}").write_bytes(bytes(target["bytes"]))
    signal.pause()


@attack
def files_without_a_name(target: Target) -> None:
    held = []
    for number in range(target["count"]):
        file = Path(f"{number}").open("wb")  # noqa: SIM115 - it stays open
        file.write(bytes(target["bytes"]))
        file.flush()
        Path(f"{number}").unlink()
        held.append(file)
    signal.pause()


@attack
def one_large_file(target: Target) -> None:
    with Path("large").open("wb") as file:
        file.truncate(target["bytes"])


@attack
def much_memory(target: Target) -> None:
    try:
        bytearray(target["bytes"])
    except MemoryError as error:
        raise OSError("memory") from error


@attack
def flooding(target: Target) -> None:
    """Events without end, of a kind that a download has."""
    while True:
        wire.send(_line[0]._sock, {"event": target["event"], **target["facts"]})


@attack
def endless_work(_: Target) -> None:
    """As a pattern that never ends, which no other thread of Python's interrupts."""
    while True:
        sum(range(10**7))


@attack
def many_threads(target: Target) -> None:
    threading.stack_size(64 * 1024)
    for _number in range(600):
        threading.Thread(target=signal.pause, daemon=True).start()
    signal.pause()


@attack
def shared_memory(_: Target) -> None:
    """RLIMIT_DATA does not count it."""
    held = mmap.mmap(-1, 600 * 1024**2)
    for at in range(0, len(held), mmap.PAGESIZE):
        held[at] = 1
    signal.pause()


@attack
def memory_of_sockets(_: Target) -> None:
    """The kernel's, which is no process's."""
    for _number in range(12):
        if os.fork() == 0:
            try:
                held = []
                with contextlib.suppress(OSError):
                    while True:
                        held.append(socket.socketpair())
                        for end in held[-1]:
                            end.setblocking(False)
                            with contextlib.suppress(BlockingIOError):
                                while True:
                                    end.send(bytes(65536))
                signal.pause()
            finally:
                os._exit(1)
    signal.pause()


@attack
def memory_of_tables(_: Target) -> None:
    """Each page that is looked at is the same one, and needs an entry of its own in the tables."""
    held = mmap.mmap(-1, 2**40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    for at in range(0, len(held), 2 * 1024**2):
        held[at]
    signal.pause()


@attack
def larger_buffers(target: Target) -> None:
    with _line[0].connect("127.0.0.1", target["public"], 10) as sock:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 2**22)


@attack
def memory_of_several(_: Target) -> None:
    """RLIMIT_DATA counts it for each."""
    for _number in range(4):
        if os.fork() == 0:
            held = bytearray(150 * 1024**2)
            for at in range(0, len(held), mmap.PAGESIZE):
                held[at] = 1
            signal.pause()
    signal.pause()


@attack
def all_the_memory(_: Target) -> None:
    """As quickly as the kernel gives it, in processes that RLIMIT_DATA counts one by one."""
    for _number in range(24):
        if os.fork() == 0:
            try:
                held = mmap.mmap(-1, 128 * 1024**2, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
                with contextlib.suppress(OSError):  # a kernel without large pages
                    held.madvise(mmap.MADV_HUGEPAGE)
                ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(held)), 1, len(held))
                signal.pause()
            finally:
                os._exit(1)
    signal.pause()


@attack
def memory_at_once(target: Target) -> None:
    """By one call, of a kind that RLIMIT_DATA does not count."""
    mmap.mmap(-1, target["bytes"], flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
    signal.pause()


@attack
def memory_in_files(target: Target) -> None:
    """Where its folder is in memory."""
    with Path("large").open("wb") as file:
        file.writelines(bytes(2**20) for _number in range(target["bytes"] // 2**20))
    signal.pause()


@attack
def pages_of_a_file(target: Target) -> None:
    """No attack: they are the disk's, and the kernel takes them back."""
    with Path("large").open("w+b") as file:
        file.truncate(target["bytes"])
        held = mmap.mmap(file.fileno(), target["bytes"])
        for at in range(0, len(held), mmap.PAGESIZE):
            held[at] = 1


@attack
def folders_within_folders(_: Target) -> None:
    for _number in range(1500):
        Path("x").mkdir()
        os.chdir("x")
    signal.pause()


@attack
def many_small_files(target: Target) -> None:
    Path("x").mkdir()
    for number in range(target["count"] * 100):
        os.close(os.open(f"x/{number}", os.O_CREAT | os.O_WRONLY))
    signal.pause()
