"""The zygote: a process with yt-dlp loaded, one thread and a clean environment. It forks a child for each download.

The worker execs it, and never forks it, so neither the zygote nor a child has a secret of the worker. Its arguments are
the file descriptor of the control socket, the worker's pid, and how children are confined. On the control socket it
sends `{"ready": pid, "confined_by": […], "browsers": […]}` and then takes the orders of zygote_loop.py. The browsers
are those that its children can impersonate.
"""

import contextlib
import gc
import os
import socket
import sys

from vidferry_worker.child import download, preload
from vidferry_worker.child.impersonation.handler import BrokeredCurlCFFIRH
from vidferry_worker.child.sandbox.prepared_sandbox import PreparedSandbox
from vidferry_worker.child.zygote_loop import ZygoteLoop, die_with_parent, run_child
from vidferry_worker.children import wire
from vidferry_worker.children.confinement import Confinement


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    die_with_parent(int(sys.argv[2]))
    preload.load_downloader()
    sandbox = PreparedSandbox(Confinement.from_argument(sys.argv[3]))
    gc.freeze()  # memory pages stay shared with the children, since no garbage collection writes to them
    browsers = [str(each) for each in BrokeredCurlCFFIRH.supported_targets]
    wire.send(control, {"ready": os.getpid(), "confined_by": sandbox.active_parts, "browsers": browsers})
    Zygote(control, sandbox).serve()


class Zygote(ZygoteLoop):
    """The zygote of the image's own yt-dlp, which it has loaded itself."""

    def __init__(self, control: socket.socket, sandbox: PreparedSandbox) -> None:
        super().__init__(control)
        self._sandbox = sandbox

    def _fork_child(self, folder: str, channel_fd: int) -> None:
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            run_child(download.run_download, folder, channel_fd, own, self.own_files, self._sandbox)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)  # here too: a kill may arrive before the child has done this itself
        os.close(channel_fd)
        self._register_child(pid)


if __name__ == "__main__":
    main()
