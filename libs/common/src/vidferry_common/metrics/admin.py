"""The admin port: /metrics, /healthz and /readyz, for the cluster alone and never on the public port.

It runs in the service's own event loop, so that an answer proves that the loop turns; a web framework would be more
than three fixed paths need, and libs/common holds none.
"""

import asyncio
import contextlib
import errno
import logging
import re
import socket
from collections.abc import Callable
from typing import Self

from pydantic import Field

from vidferry_common.http.host import is_host
from vidferry_common.http.known_hosts import HostSettings
from vidferry_common.metrics.loop_lag import LoopLag
from vidferry_common.metrics.negotiation import choose_form
from vidferry_common.metrics.registry import Registry

logger = logging.getLogger(__name__)

MAX_HEAD = 8192
"""bytes of a request's head"""
MAX_CONNECTIONS = 32
REQUEST_SECONDS = 5.0
"""for a client to say what it wants, and to take the answer"""
_TEXT = "text/plain; charset=utf-8"
_BACKLOG = 64
_HOST = re.compile(rb"^host[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_ACCEPT = re.compile(rb"^accept[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)


class AdminSettings(HostSettings):
    """The port on which a service serves its metrics and its health."""

    admin_port: int = Field(
        9090,
        ge=0,
        le=65535,
        description="The port for `/metrics` (Prometheus), `/healthz` and `/readyz`. 0: none. The port has no "
        "authentication, so let only the cluster reach it.",
    )
    admin_host: str = Field("0.0.0.0", description="The IP address to which the admin port is bound.")  # noqa: S104 - a container's own


class PortTaken(Exception):
    """The admin port can't be had; the text is for a person."""


class _Refused(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: str, *headers: str) -> None:
        self.status, self.headers = status, headers


class AdminServer:
    """The admin port's server, which serves, and measures its event loop, while its context is open.

    Nothing where the port is 0. Making it raises PortTaken where the port can't be had.
    """

    def __init__(self, settings: AdminSettings, registry: Registry, ready: Callable[[], bool]) -> None:
        self._registry, self._ready, self._hosts = registry, ready, settings.hosts
        # Bound here, before the loop runs, so that a taken port ends the program with a sentence.
        self._listener = _bind_listener(settings) if settings.admin_port else None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._loop_lag = LoopLag(registry.loop_lags)

    async def __aenter__(self) -> Self:
        if self._listener is not None:
            self._server = await asyncio.start_server(self._accept_connection, sock=self._listener, limit=MAX_HEAD)
            self._loop_lag.start()
            logger.info("admin port", extra={"port": self._listener.getsockname()[1]})
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        self._server.close()
        self._loop_lag.stop()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve_connection(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        # A client that leaves, stalls or says too much is nobody's failure.
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(REQUEST_SECONDS):
                writer.write(await self._answer_request(reader, str(writer.get_extra_info("sockname")[0])))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        writer.transport.abort()

    async def _answer_request(self, reader: asyncio.StreamReader, reached: str) -> bytes:
        try:
            method, path, host, accept = _parse_request(await reader.readuntil(b"\r\n\r\n"))
            self._check_host(host, reached)
            status, kind, body = await self._find_page(path, accept)
        except asyncio.LimitOverrunError:
            return _encode_response("431 Request Header Fields Too Large")
        except _Refused as refused:
            return _encode_response(refused.status, headers=refused.headers)
        answer = _encode_response(status, body, kind)
        return answer if method == "GET" else answer[: len(answer) - len(body)]

    def _check_host(self, host: str | None, reached: str) -> None:
        """Refuses a Host that is not known. Programs may leave it out; a browser always sends it."""
        if host is not None and not (is_host(host) and self._hosts.is_known(host, reached)):
            raise _Refused("421 Misdirected Request")

    async def _find_page(self, path: str, accept: str) -> tuple[str, str, bytes]:
        match path:
            case "/metrics":
                form = choose_form(accept)
                return "200 OK", form.value, await self._registry.scrape(form)
            case "/healthz":
                return "200 OK", _TEXT, b"ok\n"
            case "/readyz":
                return ("200 OK", _TEXT, b"ready\n") if self._ready() else (
                    "503 Service Unavailable", _TEXT, b"not ready\n"
                )  # fmt: skip
            case _:
                raise _Refused("404 Not Found")


def _parse_request(head: bytes) -> tuple[str, str, str | None, str]:
    """Method, path, host and what is accepted; host is None where none is named.

    What follows the path and other headers mean nothing here.
    """
    parts = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(parts) != 3 or parts[2] not in {"HTTP/1.0", "HTTP/1.1"}:  # noqa: PLR2004 - method, target, version
        raise _Refused("400 Bad Request")
    if parts[0] not in {"GET", "HEAD"}:
        raise _Refused("405 Method Not Allowed", "Allow: GET, HEAD")
    hosts = _HOST.findall(head)
    if len(hosts) > 1:
        raise _Refused("400 Bad Request")
    host = hosts[0].decode("latin-1").strip() if hosts else None
    accept = b",".join(_ACCEPT.findall(head)).decode("latin-1")
    return parts[0], parts[1].partition("?")[0], host, accept


def _encode_response(status: str, body: bytes = b"", kind: str = _TEXT, headers: tuple[str, ...] = ()) -> bytes:
    lines = [
        f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff", "Connection: close", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


def _bind_listener(settings: AdminSettings) -> socket.socket:
    host, port = settings.admin_host, settings.admin_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror
        msg = (
            f"Can't listen on the admin port {port} of {host}: {reason}. Set VIDFERRY_ADMIN_PORT to another "
            "port, or to 0 for none."
        )
        raise PortTaken(msg) from error
