"""The server: one thread with an event loop, so that a thousand held downloads cost nothing."""

import asyncio
import socket
import threading
import traceback
from http import HTTPStatus
from itertools import count
from types import TracebackType
from typing import Self

from support.origin import media
from support.origin.control import control
from support.origin.routes import route
from support.origin.site import Exchange, Site, Sites
from support.origin.wire import BadRequest, PeerGone, Reply, Request, Wire, text

# The kernel doubles it. Small, so that a body's count of bytes stays close to what the client took.
SEND_BUFFER = 16 * 1024
BODYLESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Origin:
    """A context manager: serves between enter and exit, by default on 127.0.0.1.

    `site()` gives a corner of its own; `root` is what lies outside all corners. `address` is how clients name it.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1", address: str = "") -> None:
        media.folder()  # made before the first request, not during one
        # Bound here, so the address is known at once and early connections wait in the backlog.
        self._listener = socket.create_server((host, port), backlog=256)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # connections inherit it
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.address = address or f"http://{host}:{self.port}"
        self.faults: list[str] = []
        """Tracebacks of the server's own mistakes."""
        self._sites = Sites(self.address)
        self._numbers, self._connections = count(1), count(1)
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="origin", daemon=True)

    @property
    def root(self) -> Site:
        return self._sites.get("")

    def site(self, token: str | None = None) -> Site:
        """The site of a token; a new one without."""
        return self._sites.new() if token is None else self._sites.get(token)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Every connection is closed, whatever it was waiting for."""
        assert self._loop
        assert self._serving
        self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join()
        self._listener.close()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._serving = asyncio.create_task(self._accept())
        self._started.set()
        (end,) = await asyncio.gather(self._serving, return_exceptions=True)
        if isinstance(end, Exception):
            self.faults.append("".join(traceback.format_exception(end)))

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as connections:
            while True:
                sock, _ = await loop.sock_accept(self._listener)
                connections.create_task(self._connection(sock))

    async def _connection(self, sock: socket.socket) -> None:
        with sock:
            sock.setblocking(False)
            wire, number = Wire(sock), next(self._connections)
            try:
                while await self._exchange(wire, number):
                    pass
            except PeerGone:
                pass
            except Exception:  # noqa: BLE001 - one connection's fault must not end the others; the fixture reports it
                self.faults.append(traceback.format_exc())

    async def _exchange(self, wire: Wire, connection: int) -> bool:
        """One request and its answer; whether another may follow."""
        try:
            request = await wire.read_request()
        except BadRequest:
            await wire.send_head(text("", status=400), keep_alive=False)
            return False
        if request is None:
            return False
        site = self._sites.get(request.site)
        exchange = self._new_exchange(request, connection)
        if request.path.startswith("/control/"):
            reply = control(request, self._sites)
        else:
            reply = route(request, site)
            site.record(exchange)
        try:
            return await self._answer(wire, request, reply, exchange, site)
        except PeerGone:
            site.update(exchange, closed_early=True)
            raise
        finally:
            site.update(exchange, ended=True)

    def _new_exchange(self, request: Request, connection: int) -> Exchange:
        return Exchange(
            number=next(self._numbers),
            site=request.site,
            connection=connection,
            method=request.method,
            path=request.path,
            target=request.target,
            headers=dict(request.headers),
        )

    async def _answer(self, wire: Wire, request: Request, reply: Reply, exchange: Exchange, site: Site) -> bool:
        if reply.work:
            try:
                reply.body.data = await wire.while_peer_stays(reply.work())
            except TimeoutError:
                reply.status = HTTPStatus.GATEWAY_TIMEOUT
        length = _frame(reply)
        site.update(exchange, status=reply.status, length=length)
        keep_alive = request.keep_alive and reply.body.cut_at is None
        await wire.send_head(reply, keep_alive=keep_alive)
        if request.method != "HEAD" and reply.status not in BODYLESS:
            await wire.send_body(reply.body, lambda size: site.update(exchange, sent=exchange.sent + size))
        if reply.body.cut_by_reset:
            wire.reset()
        return keep_alive


def _frame(reply: Reply) -> int | None:
    """Say in the headers how the body ends; its length, where that is said."""
    if reply.status in BODYLESS:
        return None
    if reply.body.chunked:
        reply.headers["Transfer-Encoding"] = "chunked"
        return None
    reply.headers.setdefault("Content-Length", str(len(reply.body.data)))
    return int(reply.headers["Content-Length"])
