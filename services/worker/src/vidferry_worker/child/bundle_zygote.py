"""The zygote of a bundle: it never runs the bundle's code, and trusts none of it.

yt-dlp is loaded by a process of its own, the template, which is confined as a child is before it reads the first byte
of the bundle. The template forks the children, and each of them confines itself further, to its own folder. A child
is handed to this process as soon as it is forked: the process between them ends, and the kernel makes the nearest
subreaper the parent. So this process alone signals, reaps and groups children. It knows a child by the pid that the
kernel writes beside the child's first message, and by the kernel's word that it is a child: not by anything that the
template says.

Its arguments are those of zygote.py, then the bundle's folder, and the folder that holds the children's folders. Its
first message is `{"ready": pid, "confined_by": […], "template": pid, "problem": "…", "silent": false}`. The problem is
what the template says of its start, and is empty where all went well; it is silent where it has said nothing in time.
Then the zygote takes the orders of zygote_loop.py.
"""

import gc
import os
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace

from vidferry_worker.child.sandbox import kernel
from vidferry_worker.child.sandbox.prepared_sandbox import PreparedSandbox
from vidferry_worker.child.zygote_loop import ZygoteLoop, die_with_parent, enter_sandbox, kill_group, run_child
from vidferry_worker.children import wire
from vidferry_worker.children.confinement import Confinement

LOAD_SECONDS = 100.0
"""to load yt-dlp, which takes five seconds of a processor; less than the worker waits"""
FORK_SECONDS = 20.0
"""for an answer of the template; then it and all children are ended"""
MAX_PROBLEM = 1000
"""characters"""
_CREDENTIALS = struct.Struct("3i")  # struct ucred (unix(7)): pid, uid, gid


class TemplateBroken(Exception):
    """The template is gone, or does not do what it is for."""


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    die_with_parent(int(sys.argv[2]))
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    code, work = sys.argv[4:6]
    confinement = Confinement.from_argument(sys.argv[3])
    confinement = replace(confinement, readable=(*confinement.readable, code))
    sandbox = PreparedSandbox(confinement)
    template = Template(code, work, sandbox, PreparedSandbox(confinement), control)
    try:
        problem = template.wait_until_loaded() if sandbox.is_complete else "the sandbox is not complete"
        wire.send(control, {
            "ready": os.getpid(), "confined_by": sandbox.active_parts, "template": template.pid, "problem": problem,
            "silent": template.is_silent,
        })  # fmt: skip
        BundleZygote(control, template).serve()
    except TemplateBroken as error:
        print(f"a bundle's yt-dlp was ended: {error}")  # noqa: T201 - the worker logs it
    finally:
        template.kill()


class BundleZygote(ZygoteLoop):
    """The zygote of one bundle."""

    def __init__(self, control: socket.socket, template: "Template") -> None:
        super().__init__(control)
        self._template = template
        self._orders: deque[tuple[str, int]] = deque()
        """to fork; the template has the first one, and its answer names no order"""
        self._deadline = 0.0
        """for that answer. Children are killed and reaped meanwhile."""
        self._poll.register(template.line, select.POLLIN)

    def _fork_child(self, folder: str, channel_fd: int) -> None:
        self._orders.append((folder, channel_fd))
        if len(self._orders) == 1:
            self._send_order()

    def _send_order(self) -> None:
        self._template.order_fork(*self._orders[0])
        self._deadline = time.monotonic() + FORK_SECONDS

    def _continue_forks(self) -> None:
        while self._template.has_message():
            pid = self._template.receive_child()
            if pid in self._children:
                raise TemplateBroken("it has named a child that runs already")
            if not self._orders:
                raise TemplateBroken("it has named a child that nobody wants")
            self._orders.popleft()
            self._register_child(pid)
            if self._orders:
                self._send_order()
        if self._orders and time.monotonic() > self._deadline:
            raise TemplateBroken("it doesn't answer")

    def _poll_milliseconds(self) -> float | None:
        return max(0.0, self._deadline - time.monotonic()) * 1000 + 1 if self._orders else None

    def _reap_child(self, pid: int) -> None:
        if pid == self._template.pid:
            self._template.kill()  # before it is reaped: until then nobody else can have its pid
            raise TemplateBroken("it has ended")
        if pid not in self._children:
            self._continue_forks()  # its message may have come since: once it is reaped, it is no child any more
        super()._reap_child(pid)


class Template:
    """The confined process that has loaded the bundle, as its zygote sees it. Nothing that it says is trusted."""

    def __init__(
        self, code: str, work: str, own: PreparedSandbox, childs: PreparedSandbox, control: socket.socket
    ) -> None:
        """own, childs: the sandboxes of the template and of each child; one can be entered once."""
        zygote = os.getpid()
        self.is_silent = False
        """whether it has not answered in time"""
        self.line, theirs = wire.socket_pair()
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.pid = os.fork()
        if self.pid == 0:
            _run_template(theirs, zygote, [control.fileno(), self.line.fileno()], code, work, own, childs)
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(self.pid, self.pid)
        theirs.close()

    def wait_until_loaded(self) -> str:
        """What is wrong with the bundle; empty where nothing is."""
        if not self.has_message(LOAD_SECONDS):
            self.is_silent = True
            return "it can't be loaded: it doesn't answer"
        try:
            _, message = self._receive()
        except TemplateBroken as error:
            return f"it can't be loaded: {error}"
        problem = str(message.get("problem", ""))[:MAX_PROBLEM]
        return "".join(each if each.isprintable() else " " for each in problem)  # half a surrogate pair is no text

    def order_fork(self, folder: str, channel_fd: int) -> None:
        """Has it fork a child; TemplateBroken."""
        try:
            wire.send(self.line, {"folder": folder}, [channel_fd])
        except OSError as error:
            raise TemplateBroken(str(error)) from error
        finally:
            os.close(channel_fd)

    def receive_child(self) -> int:
        """The pid of the child that has announced itself; TemplateBroken."""
        pid, _ = self._receive()
        try:
            os.setpgid(pid, pid)  # works for this process's own children alone
        except OSError as error:
            raise TemplateBroken(f"{pid} is not a child: {error}") from error
        if pid == self.pid:
            raise TemplateBroken("it has named itself")
        return pid

    def kill(self) -> None:
        """Ends it, and whatever it has started that is no child."""
        kill_group(self.pid)

    def has_message(self, seconds: float = 0) -> bool:
        """Whether there is one within that time, or none can come any more."""
        poll = select.poll()
        poll.register(self.line, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _receive(self) -> tuple[int, wire.Message]:
        """The next message, and the pid of the process that has sent it, by the kernel's word."""
        try:
            raw, control, flags, _ = self.line.recvmsg(wire.MAX_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
            message = wire.parse_message(raw, flags)
        except (OSError, wire.WireError) as error:
            raise TemplateBroken(str(error)) from error
        pids = [
            _CREDENTIALS.unpack(data)[0]
            for level, kind, data in control
            if (level, kind, len(data)) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS, _CREDENTIALS.size)
        ]
        if len(pids) != 1:
            raise TemplateBroken("its message is not signed")
        return pids[0], message


def _run_template(
    line: socket.socket, zygote: int, zygotes: list[int], code: str, work: str, own: PreparedSandbox,
    childs: PreparedSandbox,
) -> None:  # fmt: skip
    """Loads the bundle, and forks children until the zygote is gone. Ends the process, whatever happens."""
    try:
        os.setpgid(0, 0)
        die_with_parent(zygote)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for fd in zygotes:
            os.close(fd)
        enter_sandbox(own, work)
        wire.send(line, {"problem": _load_bundle(code)})
        gc.freeze()
        _fork_children(line, zygote, childs)
    finally:
        os._exit(70)


def _load_bundle(code: str) -> str:
    """Loads its yt-dlp with all patches. What is wrong with it; empty where nothing is."""
    sys.path.insert(0, code)
    try:
        from vidferry_worker.child import download, patch_targets, preload  # noqa: F401, PLC0415 - it is yt-dlp's code

        if moved := patch_targets.find_moved():
            return f"patches don't apply: {'; '.join(moved)}"[:MAX_PROBLEM]
        preload.load_downloader()
    except BaseException as error:  # noqa: BLE001 - whatever a bundle raises
        return f"it can't be loaded: {type(error).__name__}: {error}"[:MAX_PROBLEM]
    return ""


def _fork_children(line: socket.socket, zygote: int, sandbox: PreparedSandbox) -> None:
    from vidferry_worker.child import download  # noqa: PLC0415 - it is yt-dlp's code

    while True:
        order, fds = wire.receive(line)
        if order is None:
            return
        gate, gate_end = os.pipe()
        between = os.fork()
        if between == 0:
            try:
                if os.fork() == 0:
                    os.close(gate_end)
                    os.read(gate, 1)  # returns when the process between is gone, so that the zygote is the parent
                    os.close(gate)
                    wire.send(line, {})
                    run_child(download.run_download, order["folder"], fds[0], zygote, [line.fileno()], sandbox)
            finally:
                os._exit(0)
        for fd in (gate, fds[0]):
            os.close(fd)
        os.waitpid(between, 0)
        os.close(gate_end)


if __name__ == "__main__":
    main()
