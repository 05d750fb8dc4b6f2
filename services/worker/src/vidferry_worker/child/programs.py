"""ffmpeg, ffprobe and the JavaScript runtime: they end with the child that started them."""

import ctypes
import signal
from typing import Any

from yt_dlp.utils import Popen

PR_SET_PDEATHSIG = 1


def end_with_us() -> None:
    """The kernel's promise to the child (prctl(2)) isn't inherited: it is made to each program too.

    yt-dlp starts all of them through its own Popen.
    """
    libc = ctypes.CDLL(None)
    start = Popen.__init__

    def started(popen: Any, *args: Any, **options: Any) -> None:
        start(popen, *args, preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), **options)

    Popen.__init__ = started
