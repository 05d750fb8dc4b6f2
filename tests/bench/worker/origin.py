"""A quick origin: `python -m bench.worker.origin <folder>` prints its address and serves until it is killed.

    /any/thing/<file>       a file of the folder, by sendfile: a site must not be what is measured
    /wait/<ms>/<file>       so many milliseconds later
    /pace/<bytes/s>/<file>  no quicker than that
    /<file>                 with `<file>` in a folder where there is one of the whole path

A process of its own, and never counted.
"""

import asyncio
import re
import sys
from pathlib import Path
from typing import BinaryIO

TYPES = {
    ".mp4": "video/mp4", ".m4a": "audio/mp4", ".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t",
    ".mpd": "application/dash+xml", ".html": "text/html; charset=utf-8",
}  # fmt: skip
WAIT = re.compile(r"/wait/(\d+)/(.*)")
PACE = re.compile(r"/pace/(\d+)/(.*)")
PACES_A_SECOND = 20


class Site:
    """One folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client has all it wanted
        finally:
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split(" ", 2)
        path = target.partition("?")[0]
        if late := WAIT.fullmatch(path):
            await asyncio.sleep(int(late[1]) / 1000)
            path = f"/{late[2]}"
        pace = PACE.fullmatch(path)
        file = self._folder / path.removeprefix("/")
        if not file.is_file():
            file = self._folder / file.name
        size = file.stat().st_size
        span = re.search(r"\r\nrange: bytes=(\d+)-(\d*)", head, re.IGNORECASE)
        first, end = (int(span[1]), int(span[2] or size - 1) + 1) if span else (0, size)
        lines = [
            f"HTTP/1.1 {'206 Partial Content' if span else '200 OK'}", f"Content-Type: {TYPES[file.suffix]}",
            f"Content-Length: {end - first}", f'ETag: "{size:x}"', "Accept-Ranges: bytes",
        ]  # fmt: skip
        lines += [f"Content-Range: bytes {first}-{end - 1}/{size}"] if span else []
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if method == "GET":
            await writer.drain()
            with file.open("rb") as source:
                await send(writer, source, first, end, int(pace[1]) if pace else 0)


async def send(writer: asyncio.StreamWriter, source: BinaryIO, first: int, end: int, rate: int) -> None:
    """A part of a file, at so many bytes/s; 0: as quickly as it is taken."""
    loop = asyncio.get_running_loop()
    due, piece = loop.time(), rate // PACES_A_SECOND or end - first
    for at in range(first, end, max(piece, 1)):
        count = min(piece, end - at)
        if writer.is_closing():
            raise ConnectionResetError
        await loop.sendfile(writer.transport, source, at, count)
        if rate:
            due += count / rate
            await asyncio.sleep(due - loop.time())


async def main() -> None:
    server = await asyncio.start_server(Site(Path(sys.argv[1])).serve, "127.0.0.1", 0, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
