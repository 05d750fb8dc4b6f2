"""What every zygote does: it takes orders to fork and to kill, and reaps its children.

On the control socket it takes

    {"op": "fork", "folder": …} + the child's channel   → {"forked": pid}
    {"op": "kill", "pid": …}                            → the child's process group is killed
                                                        → {"exited": pid, "status": …} for each child that ended

Only the zygote reaps children, so a pid that it kills is never another process's. When the control socket closes, the
zygote ends with all its children.
"""

import contextlib
import os
import select
import signal
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable

from vidferry_worker.child.sandbox import kernel
from vidferry_worker.child.sandbox.prepared_sandbox import PreparedSandbox
from vidferry_worker.children import wire


class ZygoteLoop(ABC):
    """The process that has children forked, kills and reaps them. A subclass says how one is forked."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()
        self._poll = select.poll()
        self._wakeup, self._wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM):  # the worker decides when downloads end
            signal.signal(number, signal.SIG_IGN)

    @property
    def own_files(self) -> list[int]:
        """The descriptors that no child may keep."""
        return [self._control.fileno(), self._wakeup, self._wakeup_end]

    def serve(self) -> None:
        """Returns when the worker is gone."""
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._wakeup, select.POLLIN)
        while True:
            ready = {fd for fd, _ in self._poll.poll(self._poll_milliseconds())}
            self._continue_forks()
            if self._wakeup in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
                self._reap_children()
            if self._control.fileno() in ready and not self._handle_command():
                break
        for pid in self._children:
            kill_group(pid)

    @abstractmethod
    def _fork_child(self, folder: str, channel_fd: int) -> None:
        """Has a child forked, and registers it, or has _continue_forks() do so. Closes the channel here."""

    def _continue_forks(self) -> None:  # noqa: B027 - not every zygote has any
        """Goes on with the forks that _fork_child() has begun. It is called before children are reaped."""

    def _poll_milliseconds(self) -> float | None:
        """After which _continue_forks() is called in any case."""
        return None

    def _register_child(self, pid: int) -> None:
        """Tells the worker of a child that leads a process group of its own."""
        self._children.add(pid)
        wire.send(self._control, {"forked": pid})

    def _handle_command(self) -> bool:
        """Handles one command; False where the worker is gone."""
        try:
            order, fds = wire.receive(self._control)
        except ConnectionError:
            return False
        if order is None:
            return False
        if order["op"] == "fork":
            self._fork_child(order["folder"], fds[0])
        elif order["pid"] in self._children:
            kill_group(order["pid"])
        return True

    def _reap_children(self) -> None:
        while True:
            # WNOWAIT does not reap yet: until then nobody else can have the pid, and so the process group.
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            self._reap_child(found.si_pid)

    def _reap_child(self, pid: int) -> None:
        if pid in self._children:
            kill_group(pid)  # programs that the child had started end with it
        _, status = os.waitpid(pid, 0)
        if pid in self._children:
            self._children.discard(pid)
            wire.send(self._control, {"exited": pid, "status": os.waitstatus_to_exitcode(status)})


def run_child(
    run_download: Callable[[socket.socket], int], folder: str, channel_fd: int, parent: int, zygotes: list[int],
    sandbox: PreparedSandbox,
) -> None:  # fmt: skip
    """Runs one download in a process that was forked for it, and ends the process, whatever happens.

    parent: which it ends with. zygotes: the descriptors of its zygote, which it closes.
    """
    code = 70
    try:
        with contextlib.suppress(PermissionError):  # in a bundle's sandbox; there the zygote does it
            os.setpgid(0, 0)
        die_with_parent(parent)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for fd in zygotes:
            os.close(fd)
        enter_sandbox(sandbox, folder)
        code = run_download(socket.socket(fileno=channel_fd))
    finally:
        os._exit(code)


def enter_sandbox(sandbox: PreparedSandbox, folder: str) -> None:
    """Confines this process to a folder, which is its home. What it prints goes nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    os.chdir(folder)
    os.umask(0o077)
    os.environ.update(HOME=folder, TMPDIR=folder, XDG_CACHE_HOME=folder, DENO_DIR=folder)
    sandbox.enter(folder)


def die_with_parent(parent: int) -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before prctl
        sys.exit(70)


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
