"""The origin over TLS with HTTP/2 or HTTP/1.1, which knows what program a client is by how it speaks both.

It serves what support/origin serves, by the same routes, except that nothing waits at gates.
"""

import contextlib
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from support.client_hello import ClientHello
from support.origin.routes import route
from support.origin.server import BODYLESS, _frame
from support.origin.site import Exchange, Site, Sites
from support.origin.wire import BadRequest, Reply, Request, parse, pieces, text
from support.tls import self_signed

RECORD_HEAD = 5
PREFACE = 24
"""bytes: RFC 9113 §3.4"""
HEADERS_FRAME, SETTINGS_FRAME, WINDOW_UPDATE_FRAME = 1, 4, 8


@dataclass
class Client:
    """What one connection has shown of the program at its other end."""

    ja4: str
    http2: str = ""
    """settings, window, and the order of the pseudo-headers; empty for HTTP/1.1"""
    requests: list[dict[str, str]] = field(default_factory=list)


CHROME = ("t13i1516h2_8daaf6152771_", "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p")
"""JA4 without what changes between versions of Chrome, and the start of HTTP/2, as both are published for it"""


class TlsOrigin:
    """A context manager that serves https on a loopback address, with a certificate of its own."""

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", name: str = "localhost", alpn: tuple[str, ...] = ("h2", "http/1.1")
    ) -> None:
        """name: another one that the certificate is for."""
        self.certificate = self_signed(folder, name, host)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate)
        self._context.set_alpn_protocols(list(alpn))
        self._listener = socket.create_server((host, 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"https://{host}:{self.port}"
        self.wanted: tuple[str, str] | None = None
        """the beginning of JA4 and the start of HTTP/2 that are let in; None: all"""
        self.refusal = text("this is no browser", status=403)
        """what all others get"""
        self.clients: list[Client] = []
        self.faults: list[str] = []
        self.requests_per_connection = 10**9
        """then a connection of HTTP/2 is closed by GOAWAY, and one of HTTP/1.1 without a word"""
        self._sites, self._numbers = Sites(self.address), count(1)
        self._thread = threading.Thread(target=self._accept, name="tls-origin", daemon=True)
        self._open: set[socket.socket] = set()

    def site(self) -> Site:
        return self._sites.new()

    @property
    def root(self) -> Site:
        return self._sites.get("")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        assert not self.faults, "\n".join(self.faults)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), name="tls-client", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        self._open.add(sock)
        try:
            client = Client(ClientHello.parse(_peek_record(sock)).ja4)
            self.clients.append(client)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(sock, server_side=True) as tls:
                self._open.add(tls)
                if tls.selected_alpn_protocol() == "h2":
                    _Http2(self, tls, client).serve()
                else:
                    self._serve_http1(tls, client)
        except (OSError, EOFError, ValueError):
            pass
        except Exception:  # noqa: BLE001 - the context manager tells of it
            self.faults.append(traceback.format_exc())
        finally:
            sock.close()
            self._open = {each for each in self._open if each.fileno() >= 0}

    def _serve_http1(self, tls: ssl.SSLSocket, client: Client) -> None:
        unread = b""
        for _ in range(self.requests_per_connection):
            while b"\r\n\r\n" not in unread:
                data = tls.recv(65536)
                if not data:
                    return
                unread += data
            head, _, unread = unread.partition(b"\r\n\r\n")
            try:
                request = parse(head)
            except BadRequest:
                return
            while len(unread) < int(request.headers.get("content-length", "0")):
                unread += tls.recv(65536)
            unread = unread[int(request.headers.get("content-length", "0")) :]
            client.requests.append(dict(request.headers))
            reply, exchange = self.answer(request, client)
            lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in reply.headers.items())]
            lines += [f"{name}: {value}" for name, value in reply.more_headers]
            tls.sendall(reply.before + "\r\n".join([*lines, "", ""]).encode("latin-1"))
            if request.method != "HEAD" and reply.status not in BODYLESS:
                for piece in paced(reply):
                    tls.sendall(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if reply.body.chunked else piece)
                    exchange.sent += len(piece)
                if reply.body.cut_at is not None:
                    return
                if reply.body.chunked:
                    tls.sendall(b"0\r\n\r\n")
            exchange.ended = True

    def answer(self, request: Request, client: Client) -> tuple[Reply, Exchange]:
        site = self._sites.get(request.site)
        exchange = Exchange(
            next(self._numbers), request.site, id(client), request.method, request.path, request.target,
            dict(request.headers),
        )  # fmt: skip
        if self.wanted and not (client.ja4.startswith(self.wanted[0]) and client.http2 == self.wanted[1]):
            reply = self.refusal
        else:
            reply = route(request, site)
        site.record(exchange)
        length = _frame(reply)
        site.update(exchange, status=reply.status, length=length)
        return reply, exchange


class _Http2:
    """One connection that speaks HTTP/2."""

    def __init__(self, origin: TlsOrigin, tls: ssl.SSLSocket, client: Client) -> None:
        self._origin, self._tls, self._client = origin, tls, client
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        self._h2.initiate_connection()
        self._start = b""
        self._left = origin.requests_per_connection
        self._pending: list[tuple[int, dict[str, str]]] = []
        self._cancelled: set[int] = set()

    def serve(self) -> None:
        self._flush()
        while True:
            while not self._pending:
                self._receive()
            stream, headers = self._pending.pop(0)
            if self._left <= 0:
                self._h2.close_connection(last_stream_id=stream - 2)
                self._flush()
                return
            self._left -= 1
            if not self._client.http2:
                self._client.http2 = _describe_start(self._start, list(headers))
            self._respond(stream, headers)

    def _respond(self, stream: int, headers: dict[str, str]) -> None:
        fields = {name: value for name, value in headers.items() if not name.startswith(":")}
        self._client.requests.append(fields)
        lines = [f"{headers[':method']} {headers[':path']} HTTP/1.1", *(f"{n}: {v}" for n, v in fields.items())]
        reply, exchange = self._origin.answer(parse("\r\n".join(lines).encode("latin-1")), self._client)
        told = [(":status", str(reply.status)), *reply.headers.items(), *reply.more_headers]
        told = [
            (name.lower(), value) for name, value in told if name.lower() not in {"connection", "transfer-encoding"}
        ]
        is_bodyless = headers[":method"] == "HEAD" or reply.status in BODYLESS
        self._h2.send_headers(stream, told, end_stream=is_bodyless)
        self._flush()
        if is_bodyless:
            exchange.ended = True
            return
        for piece in paced(reply):
            self._send(stream, bytes(piece))
            exchange.sent += len(piece)
            if stream in self._cancelled:
                return
        if reply.body.cut_at is None:
            self._h2.end_stream(stream)
        elif reply.body.cut_by_reset:
            self._h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        else:
            self._flush()
            raise EOFError
        self._flush()
        exchange.ended = True

    def _send(self, stream: int, data: bytes) -> None:
        while data and stream not in self._cancelled:
            most = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size, len(data))
            if most <= 0:
                self._receive()
                continue
            self._h2.send_data(stream, data[:most])
            data = data[most:]
            self._flush()

    def _receive(self) -> None:
        data = self._tls.recv(65536)
        if not data:
            raise EOFError
        if len(self._start) < 65536:
            self._start += data
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise EOFError from error
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self._pending.append((event.stream_id, dict(event.headers)))  # type: ignore[arg-type]
            elif isinstance(event, h2.events.StreamReset):
                self._cancelled.add(event.stream_id)
            elif isinstance(event, h2.events.DataReceived):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.ConnectionTerminated):
                raise EOFError  # noqa: TRY004 - the client is gone
        self._flush()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._tls.sendall(data)


def paced(reply: Reply) -> Iterator[memoryview]:
    """The body's pieces, at its rate."""
    for piece in pieces(reply.body):
        if piece is not None:
            yield piece
            if reply.body.rate:
                time.sleep(len(piece) / reply.body.rate)


def _peek_record(sock: socket.socket) -> bytes:
    """The first record of TLS, left for TLS to read."""
    wanted = RECORD_HEAD
    while True:
        record = sock.recv(wanted, socket.MSG_PEEK | socket.MSG_WAITALL)
        if len(record) < wanted:
            raise EOFError
        if wanted > RECORD_HEAD:
            return record
        wanted = RECORD_HEAD + int.from_bytes(record[3:5])


def _describe_start(start: bytes, names: list[str]) -> str:
    """Settings, window and order of pseudo-headers, in the form that Akamai's researchers gave it."""
    settings, window = [], 0
    at = PREFACE
    while at + 9 <= len(start):
        length, kind = int.from_bytes(start[at : at + 3]), start[at + 3]
        payload = start[at + 9 : at + 9 + length]
        if kind == SETTINGS_FRAME:
            pairs = [payload[each : each + 6] for each in range(0, length, 6)]
            settings += [f"{int.from_bytes(each[:2])}:{int.from_bytes(each[2:])}" for each in pairs]
        elif kind == WINDOW_UPDATE_FRAME:
            window = window or int.from_bytes(payload)
        elif kind == HEADERS_FRAME:
            break
        at += 9 + length
    order = ",".join(name[1] for name in names if name.startswith(":"))
    return f"{';'.join(settings)}|{window}|0|{order}"
