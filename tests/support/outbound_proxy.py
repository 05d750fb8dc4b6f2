"""An operator's HTTP proxy: connects clients to what they ask for by CONNECT."""

import base64
import contextlib
import socket
import threading
from typing import Self

PIECE = 64 * 1024
SECONDS = 60.0


class OutboundProxy:
    """Listens on a loopback port; a thread for each direction of a connection. Takes one user, or everybody."""

    def __init__(self, user: str = "", password: str = "") -> None:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._wanted = f"Proxy-Authorization: Basic {token}" if user else ""
        self.asked: list[str] = []
        """targets, as `host:port`"""
        self.refused = 0
        """requests without the right user"""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n") and (piece := client.recv(1)):
                head += piece
            first, *lines = head.decode().split("\r\n")
            if self._wanted and self._wanted not in lines:
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            target = first.split(" ")[1]
            self.asked.append(target)
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port)), SECONDS) as server:
                self._open += [client, server]
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_relay, args=(server, client), daemon=True)
                back.start()
                _relay(client, server)
                back.join(SECONDS)


def _relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
