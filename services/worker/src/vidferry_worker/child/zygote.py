"""The zygote: a process with yt-dlp loaded, one thread and a clean environment. It forks a child for each download.

The worker execs it, and never forks it, so neither the zygote nor a child has a secret of the worker. Its arguments are
the file descriptor of the control socket, the worker's pid, and how children are confined. On the control socket it
sends `{"ready": pid, "confined_by": […]}` and then takes

    {"op": "fork", "folder": …} + the child's channel   → {"forked": pid}
    {"op": "kill", "pid": …}                            → the child's process group is killed
                                                        → {"exited": pid, "status": …} for each child that ended

Only the zygote reaps children, so a pid that it kills is never another process's. When the control socket closes, the
zygote ends with all its children.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys

from vidferry_worker.child import download, preload
from vidferry_worker.child.sandbox import kernel
from vidferry_worker.child.sandbox.prepared_sandbox import PreparedSandbox
from vidferry_worker.children import wire
from vidferry_worker.children.confinement import Confinement


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    _die_with_parent(int(sys.argv[2]))
    preload.load_downloader()
    sandbox = PreparedSandbox(Confinement.from_argument(sys.argv[3]))
    gc.freeze()  # memory pages stay shared with the children, since no garbage collection writes to them
    wire.send(control, {"ready": os.getpid(), "confined_by": sandbox.active_parts})
    Zygote(control, sandbox).serve()


class Zygote:
    """The process that forks, kills and reaps children."""

    def __init__(self, control: socket.socket, sandbox: PreparedSandbox) -> None:
        self._control, self._sandbox = control, sandbox
        self._children: set[int] = set()
        self._wakeup, self._wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM):  # the worker decides when downloads end
            signal.signal(number, signal.SIG_IGN)

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._wakeup in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
                self._reap_children()
            if self._control.fileno() in ready and not self._handle_command():
                break
        for pid in self._children:
            _kill_group(pid)

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
            _kill_group(order["pid"])
        return True

    def _fork_child(self, folder: str, channel_fd: int) -> None:
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run_child(folder, channel_fd, own, [self._control.fileno(), self._wakeup, self._wakeup_end], self._sandbox)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)  # here too: a kill may arrive before the child has done this itself
        os.close(channel_fd)
        self._children.add(pid)
        wire.send(self._control, {"forked": pid})

    def _reap_children(self) -> None:
        while self._children:
            # WNOWAIT does not reap yet: until then nobody else can have the pid, and so the process group.
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                return
            _kill_group(found.si_pid)  # programs that the child had started end with it
            _, status = os.waitpid(found.si_pid, 0)
            self._children.discard(found.si_pid)
            wire.send(self._control, {"exited": found.si_pid, "status": os.waitstatus_to_exitcode(status)})


def _run_child(folder: str, channel_fd: int, parent: int, zygotes: list[int], sandbox: PreparedSandbox) -> None:
    """Runs one download and ends the process, whatever happens."""
    code = 70
    try:
        os.setpgid(0, 0)
        _die_with_parent(parent)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for fd in zygotes:
            os.close(fd)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        os.chdir(folder)
        os.umask(0o077)
        os.environ.update(HOME=folder, TMPDIR=folder, XDG_CACHE_HOME=folder, DENO_DIR=folder)
        sandbox.enter(folder)
        code = download.run_download(socket.socket(fileno=channel_fd))
    finally:
        os._exit(code)


def _die_with_parent(parent: int) -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before prctl
        sys.exit(70)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
