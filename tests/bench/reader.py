"""A process with thousands of WebSockets that counts what they are sent and how late it is. It is no bottleneck: its
own CPU is reported."""

import contextlib
import select
import socket
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from bench.jobs import MARK

_PONG = b"\x8a\x80\x00\x00\x00\x00"
_CONNECTING = 64
"""handshakes under way at once"""
_SIZES = {126: 2, 127: 8}


@dataclass
class Report:
    """Since the last one."""

    frames: int = 0
    pings: int = 0
    closed: int = 0
    late_ms: list[float] = field(default_factory=list)
    cpu: float = 0.0


class Reader:
    """Sockets by descriptor; commands come through the pipe, between two looks."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._poll = select.epoll()
        self._poll.register(pipe.fileno(), select.EPOLLIN)
        self._sockets: dict[int, socket.socket] = {}
        self._rests: dict[int, bytes] = {}
        self._shaking: set[int] = set()
        self._deaf: list[socket.socket] = []
        self._report = Report()
        self._cpu = time.process_time()

    def run(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != self._pipe.fileno():
                    self._read(descriptor)
                elif not self._obey(self._pipe.recv()):
                    return

    def _obey(self, order: tuple[str, object] | None) -> bool:
        match order:
            case ("connect", (int(port), list(paths))):
                self._connect(port, paths)
                self._pipe.send(len(self._sockets))
            case ("deafen", int(count)):
                self._deafen(count)
                self._pipe.send(None)
            case ("report", _):
                self._report.cpu = time.process_time() - self._cpu
                self._pipe.send(self._report)
                self._report, self._cpu = Report(), time.process_time()
            case _:
                for each in (*self._sockets.values(), *self._deaf):
                    each.close()
                return False
        return True

    def _connect(self, port: int, paths: list[str]) -> None:
        """Returns when each has been answered, and what is sent at once has been read as it came."""
        waiting = iter(paths)
        left = len(paths)
        while left or self._shaking:
            while left and len(self._shaking) < _CONNECTING:
                self._shake(port, next(waiting))
                left -= 1
            for descriptor, _ in self._poll.poll():
                if descriptor != self._pipe.fileno():
                    self._read(descriptor)

    def _shake(self, port: int, path: str) -> None:
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Origin: http://localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
            f"X-Forwarded-For: 203.0.113.9\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        client.setblocking(False)
        self._sockets[client.fileno()] = client
        self._shaking.add(client.fileno())
        self._poll.register(client.fileno(), select.EPOLLIN)

    def _deafen(self, count: int) -> None:
        """The first ones are not read any more."""
        for descriptor in list(self._sockets)[:count]:
            self._poll.unregister(descriptor)
            self._deaf.append(self._sockets.pop(descriptor))

    def _read(self, descriptor: int) -> None:
        client = self._sockets[descriptor]
        data = b""
        with contextlib.suppress(OSError):
            data = client.recv(1 << 16)
        if not data:
            self._poll.unregister(descriptor)
            del self._sockets[descriptor]
            client.close()
            self._shaking.discard(descriptor)
            self._report.closed += 1
            return
        if descriptor in self._rests:
            data = self._rests.pop(descriptor) + data
        if descriptor in self._shaking:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rests[descriptor] = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._shaking.discard(descriptor)
        rest = self._frames(data, client)
        if rest:
            self._rests[descriptor] = rest

    def _frames(self, data: bytes, client: socket.socket) -> bytes:
        """What is left of a frame that is not whole yet."""
        report, place, end = self._report, 0, len(data)
        while end - place >= 2:
            size, head = data[place + 1], 2
            if size in _SIZES:
                head += _SIZES[size]
                size = int.from_bytes(data[place + 2 : place + head], "big")
            if end - place < head + size:
                break
            if data[place] == 0x81:
                mark = data.find(MARK, place, place + head + size)
                if mark >= 0:
                    report.frames += 1
                    began = int(data[mark + len(MARK) : mark + len(MARK) + 20])
                    report.late_ms.append((time.monotonic_ns() - began) / 1e6)
            elif data[place] == 0x89:
                report.pings += 1
                client.send(_PONG)
            place += head + size
        return data[place:]


def run(pipe: Connection) -> None:
    Reader(pipe).run()
