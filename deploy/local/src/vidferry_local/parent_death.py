"""Ends the supervisor's children with it, by a call between fork and exec."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Has the kernel send SIGTERM to this process when its parent dies, even by SIGKILL (prctl(2); Linux)."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
