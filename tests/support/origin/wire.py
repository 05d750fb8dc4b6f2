"""HTTP/1.1 as far as an origin needs it: requests read, answers written, each byte of body counted.

Plain sockets instead of a framework's: only so is it known how much a client took before it went away.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from support.origin.site import Gate

T = TypeVar("T")

PIECE = 16 * 1024
HEAD_LIMIT = 64 * 1024
PACES_A_SECOND = 20
PACE_SLACK = 0.5
TEXTS = {
    "html": "text/html; charset=utf-8", "plain": "text/plain; charset=utf-8", "json": "application/json",
    "hls": "application/vnd.apple.mpegurl", "dash": "application/dash+xml",
}  # fmt: skip
"""Media types by a short name."""


class BadRequest(Exception):
    pass


class PeerGone(Exception):
    pass


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    site: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    keep_alive: bool

    def value(self, name: str, default: str = "") -> str:
        """A query parameter's first value."""
        return self.query.get(name, [default])[0]

    def number(self, name: str, default: int) -> int:
        return int(self.value(name, str(default)))


@dataclass
class Body:
    """What follows the headers, and how it misbehaves."""

    data: bytes = b""
    chunked: bool = False
    """Without Content-Length."""
    endless: bool = False
    """`data` over and over."""
    rate: float | None = None
    """Bytes a second."""
    gate: Gate | None = None
    gate_at: int = 0
    """Bytes of `data` sent before the gate holds the rest."""
    cut_at: int | None = None
    """The connection ends after so many bytes of `data`, whatever the headers announced."""
    cut_by_reset: bool = False
    """It ends by RST instead of FIN."""


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)
    work: Callable[[], Awaitable[bytes]] | None = None
    """Makes the body's data before the headers are sent, where that takes waiting; TimeoutError becomes 504."""
    before: bytes = b""
    """Sent in front of the head as it is, such as an answer of 1xx."""
    more_headers: tuple[tuple[str, str], ...] = ()
    """Sent besides, also where a name is there already."""


def text(
    content: str,
    kind: str = "plain",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    work: Callable[[], Awaitable[bytes]] | None = None,
) -> Reply:
    media_type = TEXTS.get(kind, kind)
    return Reply(status, {"Content-Type": media_type, **(headers or {})}, Body(content.encode()), work)


def parse(head: bytes) -> Request:
    """A request from its head, without the blank line; BadRequest for what isn't one."""
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(first)
    method, target, version = parts
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    url = urlsplit(target)
    site, path = _without_prefix(unquote(url.path))
    query = parse_qs(url.query, keep_blank_values=True)
    keep_alive = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return Request(method, target, site, path, query, headers, keep_alive)


def _without_prefix(path: str) -> tuple[str, str]:
    if not path.startswith("/u/"):
        return "", path
    token, slash, rest = path.removeprefix("/u/").partition("/")
    return token, slash + rest


class Wire:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()

    async def read_request(self) -> Request | None:
        """The next request, its body skipped; None where the peer has closed instead."""
        while b"\r\n\r\n" not in self._unread:
            if len(self._unread) > HEAD_LIMIT:
                raise BadRequest("head too long")
            if not await self._receive():
                return None
            if not self._unread[:1].isalpha():  # TLS, perhaps, whose client waits for us as we for it
                raise BadRequest("not HTTP")
        head, _, rest = bytes(self._unread).partition(b"\r\n\r\n")
        request = parse(head)
        length = int(request.headers.get("content-length", "0"))
        self._unread[:] = rest
        while len(self._unread) < length:
            if not await self._receive():
                return None
        del self._unread[:length]
        return request

    async def send_head(self, reply: Reply, *, keep_alive: bool) -> None:
        headers = {**reply.headers, "Connection": "keep-alive" if keep_alive else "close"}
        lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in (*headers.items(), *reply.more_headers)]
        await self._send(reply.before + "\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def send_body(self, body: Body, sent: Callable[[int], None]) -> None:
        """All of it, telling `sent` each piece's size; PeerGone where it isn't wanted to the end."""
        due = self._loop.time()
        for piece in pieces(body):
            if piece is None:
                assert body.gate
                await self.while_peer_stays(body.gate.opened())
                due = self._loop.time()
                continue
            await self._send(b"%x\r\n%b\r\n" % (len(piece), bytes(piece)) if body.chunked else piece)
            sent(len(piece))
            if body.rate:
                # By the clock, as each sleep overruns; but a peer that stalled isn't sent the missed bytes at once.
                due = max(due + len(piece) / body.rate, self._loop.time() - PACE_SLACK)
                await asyncio.sleep(due - self._loop.time())
        if body.chunked and body.cut_at is None:
            await self._send(b"0\r\n\r\n")

    async def while_peer_stays(self, waited: Awaitable[T]) -> T:
        """Wait, but no longer than the peer: nothing is written meanwhile, so no write would tell that it's gone."""
        wanted, gone = asyncio.ensure_future(waited), asyncio.ensure_future(self._until_peer_closes())
        try:
            await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not wanted.done():
                raise PeerGone
            return await wanted
        finally:
            wanted.cancel()
            gone.cancel()
            await asyncio.gather(wanted, gone, return_exceptions=True)

    def reset(self) -> None:
        """Have the close that follows send RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _send(self, data: bytes | memoryview) -> None:
        try:
            await self._loop.sock_sendall(self._sock, data)
        except OSError as error:
            raise PeerGone from error

    async def _receive(self) -> bool:
        try:
            data = await self._loop.sock_recv(self._sock, PIECE)
        except OSError:
            return False
        self._unread += data
        return bool(data)

    async def _until_peer_closes(self) -> None:
        while await self._receive():
            pass


def pieces(body: Body) -> Iterator[memoryview | None]:
    """The data in small pieces; None stands where the gate does."""
    size = PIECE if not body.rate else max(1, min(PIECE, int(body.rate / PACES_A_SECOND)))
    end = len(body.data) if body.cut_at is None else min(body.cut_at, len(body.data))
    view = memoryview(body.data)[:end]
    stop = min(body.gate_at, end) if body.gate else end
    while True:
        yield from (view[at : min(at + size, stop)] for at in range(0, stop, size))
        if body.gate and body.gate_at < len(body.data):
            yield None
        yield from (view[at : at + size] for at in range(stop, end, size))
        if not body.endless:
            return
