"""One listener for all addresses: to the hostile origin's it is that, to every other one a canary."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from system.hostile.names import ORIGIN, ORIGIN_V6
from system.hostile.pages import ENDLESS, canary_clip, page

PORTS = (80, 8080, 443, 8443, 21, 22, 554, 1935)
OPEN = 80
"""the origin's"""
SPEAK_FIRST = {21, 22}
"""whose servers greet: a client waits there for a word, and a canary has none"""


@dataclass
class Listeners:
    """Who was reached that should not be, as address and port."""

    hits: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """targets of the requests that the origin was sent"""
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def start(self) -> None:
        for port in PORTS:
            for host in ("0.0.0.0", "::"):
                server = await asyncio.start_server(self._serve, host, port, backlog=512)
                self._servers.append(server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("sockname")[:2]
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            if host in {ORIGIN, ORIGIN_V6} and port == OPEN:
                await self._origin(reader, writer)
            else:
                self.hits.append(f"{host} {port}")
                await _canary(reader, writer, port)
        writer.close()

    async def _origin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        self.asked.append(target.decode())
        found = page(target.decode())
        if found is None:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        kind, body, headers = found
        await _answer(writer, kind, b"" if method == b"HEAD" else body, headers)


async def _canary(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    if port not in SPEAK_FIRST:
        await reader.readuntil(b"\r\n\r\n")
        await _answer(writer, "video/mp4", canary_clip(), {})


async def _answer(writer: asyncio.StreamWriter, kind: str, body: bytes, headers: dict[str, str]) -> None:
    endless = ENDLESS in headers
    status = "302 Found" if "Location" in headers else "200 OK"
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name != ENDLESS]
    lines += [] if endless else [f"Content-Length: {len(body)}"]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    writer.write(body)
    await writer.drain()
    while endless and body:
        writer.write(body)
        await writer.drain()
