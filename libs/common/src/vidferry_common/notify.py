"""Tells whoever started a program that it is ready, by systemd's protocol: READY=1 to NOTIFY_SOCKET (sd_notify(3))."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Self


def notify_ready() -> None:
    """Tells that the program serves; does nothing where nobody waits for it."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"READY=1", path)


class ReadySocket:
    """The socket of a program that starts another one and waits until that is ready."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def environment(self) -> dict[str, str]:
        """The variables to start the other program with."""
        return {"NOTIFY_SOCKET": str(self._path)}

    async def wait(self) -> None:
        """Returns when the program has said that it is ready."""
        while b"READY=1" not in await asyncio.get_running_loop().sock_recv(self._socket, 256):
            pass
