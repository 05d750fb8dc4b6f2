"""A program that tests start, and that listens on a loopback port."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType

NONE: Mapping[str, str] = MappingProxyType({})


@contextmanager
def listening(
    command: Sequence[str | os.PathLike[str]],
    port: int,
    environment: Mapping[str, str] = NONE,
    *,
    is_noisy: bool = False,
) -> Iterator[None]:
    """Runs the command, with variables beside those of this process; it takes connections on that port by then.

    is_noisy: it writes more than its errors to stderr, all of which is dropped.
    """
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if is_noisy else None,
    )
    try:
        _wait_for(process, port)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
