"""Stands between a process and its Redis: holds what it is told to, cuts at a script or at its reply.

with RedisProxy(server) as proxy:
    gate = proxy.hold("claim")          # the next claim.lua waits
    gate.wait_reached(); gate.open()
    proxy.cut("create", after=True)     # the next create.lua takes effect, and its reply is lost
"""

import contextlib
import hashlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import Self

from support.redis_server import RedisServer
from vidferry_common.store.scripts import script_text

PIECE = 256 * 1024
SECONDS = 40.0
LINGER_NONE = struct.pack("ii", 1, 0)


@cache
def sha(script: str) -> bytes:
    """How EVALSHA names one of the store's scripts."""
    return hashlib.sha1(script_text(script).encode()).hexdigest().encode()


@dataclass
class Gate:
    """Where a command is held."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def wait_reached(self) -> None:
        assert self.reached.wait(SECONDS), "no such command came"

    def open(self) -> None:
        self.opened.set()


@dataclass
class _Cut:
    script: bytes
    after: bool
    times: int


class RedisProxy:
    """Listens on a loopback port; one pair of threads for each connection."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self._lock = threading.Lock()
        self._held: list[tuple[bytes, Gate]] = []
        self._cuts: list[_Cut] = []
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.cut_connections = 0
        """by cut(), so far"""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for _script, gate in self._held:
            gate.open()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone does not
        self._listener.close()
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)

    def hold(self, script: str) -> Gate:
        """From now on whoever runs that script waits, until the gate is opened; then all pass."""
        gate = Gate()
        with self._lock:
            self._held.append((sha(script), gate))
        return gate

    def cut(self, script: str, *, after: bool, times: int = 1) -> None:
        """The next ones end their connection: before Redis has got the script, or after it took effect."""
        with self._lock:
            self._cuts.append(_Cut(sha(script), after, times))

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
            self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        redis = socket.socket(socket.AF_UNIX)
        pair, replies_lost = (client, redis), threading.Event()
        try:
            redis.connect(str(self.server.socket_path))
        except OSError:
            self._end(pair)
            return
        with self._lock:
            self._pairs.add(pair)
        for pump in (self._requests, self._replies):
            threading.Thread(target=pump, args=(pair, replies_lost), daemon=True).start()

    def _requests(self, pair: tuple[socket.socket, socket.socket], replies_lost: threading.Event) -> None:
        client, redis = pair
        with contextlib.suppress(OSError):
            while data := client.recv(PIECE):
                for gate in self._gates(data):
                    gate.reached.set()
                    gate.opened.wait()
                    if _has_left(client):  # what it asked for, nobody would hear of
                        raise ConnectionResetError
                cut = self._due_cut(data)
                if cut and not cut.after:
                    break
                if cut:
                    replies_lost.set()
                redis.sendall(data)
        self._end(pair)

    def _replies(self, pair: tuple[socket.socket, socket.socket], replies_lost: threading.Event) -> None:
        client, redis = pair
        with contextlib.suppress(OSError):
            while data := redis.recv(PIECE):
                if replies_lost.is_set():
                    break
                client.sendall(data)
        self._end(pair)

    def _gates(self, data: bytes) -> list[Gate]:
        with self._lock:
            return [gate for script, gate in self._held if script in data]

    def _due_cut(self, data: bytes) -> _Cut | None:
        with self._lock:
            for cut in self._cuts:
                if cut.times and cut.script in data:
                    cut.times -= 1
                    self.cut_connections += 1
                    return cut
        return None

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for sock in pair:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def _has_left(client: socket.socket) -> bool:
    """Whether the other end was closed while a command of its was held; it sends nothing behind it before the reply."""
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    finally:
        client.setblocking(True)
