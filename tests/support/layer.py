"""A server of HTTP before a store of the tests: it counts calls and has faults, and passes the rest on."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from support.faults import Call, Faults

LOOPBACK = ("127.0.0.1", 0)
PIECE = 64 * 1024
SLACK = 0.1
"""seconds that a reader which was late may make up for"""
_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}

Answer = tuple[int, dict[str, str], bytes]
"""status, headers, body"""


class Layer(ThreadingHTTPServer):
    """The server; faults and figures may be changed while it runs."""

    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(
        self, handler: type["LayerHandler"], backend: int, listen: tuple[str, int] = LOOPBACK, url: str = ""
    ) -> None:
        super().__init__(listen, handler)
        self.url = url or f"http://{listen[0]}:{self.server_port}"
        """how clients name it"""
        self.backend = backend
        self.faults = Faults()
        self.committing = threading.Lock()
        self.calls: list[Call] = []
        self.clock_ahead = 0.0
        """seconds that this service's clock is ahead: makes links end without waiting"""
        self.older: dict[str, float] = {}
        """seconds by which listings show objects older than they are, by name: the store takes no time of making"""
        self.received = 0
        """bytes of chunks or parts that arrived, sent again or not"""
        self.rate = 0.0
        """bytes/s at which bodies are read, those of all connections together; 0: as quickly as they come"""
        self._pacing = threading.Lock()
        self._due = 0.0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""

    def forget(self) -> None:
        """As new, for the next test."""
        self.faults.clear()
        self.calls.clear()
        self.older.clear()
        self.received = 0
        self.clock_ahead = 0.0

    def kinds(self) -> list[str]:
        return [call.kind for call in self.calls]

    def wait_turn(self, count: int, rate: float) -> None:
        """Until so many bytes have arrived at that rate."""
        with self._pacing:
            now = time.monotonic()
            due = self._due = max(self._due, now - SLACK) + count / rate
        time.sleep(max(0.0, due - now))


AnyLayer = TypeVar("AnyLayer", bound=Layer)


@contextmanager
def running(layer: AnyLayer) -> Iterator[AnyLayer]:
    thread = threading.Thread(target=layer.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield layer
    finally:
        layer.faults.clear()
        layer.shutdown()
        layer.server_close()
        thread.join()


class LayerHandler(BaseHTTPRequestHandler):
    """One connection. A layer's own handler has respond()."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write a reply, not one a header
    disable_nagle_algorithm = True
    server: Layer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Quiet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        try:
            self.respond()
        except ConnectionError:
            self.close_connection = True

    def respond(self) -> None:
        """Reads the request's body and replies."""
        raise NotImplementedError

    def read_body(self, length: int) -> bytes:
        """So many bytes of the request's body, at the layer's rate."""
        return b"".join(self._pieces(length))

    def _pieces(self, length: int) -> Iterator[bytes]:
        rate = self.server.rate
        while length > 0 and (piece := self.rfile.read(min(length, PIECE) if rate else length)):
            length -= len(piece)
            yield piece
            if rate:
                self.server.wait_turn(len(piece), rate)

    @property
    def length(self) -> int:
        """Bytes of the request's body."""
        return int(self.headers.get("Content-Length") or 0)

    def reply(self, answer: Answer) -> None:
        status, headers, body = answer
        self.send_response_only(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)
        self.wfile.flush()

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """The store's answer; of HEAD with the length of the body that GET has."""
        connection = HTTPConnection("127.0.0.1", self.server.backend, timeout=30)
        left_out = _HOP - ({"content-length"} if method == "HEAD" else set())
        try:
            connection.request(method, target, body or None, headers)
            reply: HTTPResponse = connection.getresponse()
            kept = {key: value for key, value in reply.getheaders() if key.lower() not in left_out}
            return reply.status, kept, reply.read()
        finally:
            connection.close()
