"""What the sandbox costs a child: from the fork to the first byte that reaches a site, with it and without."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.report import median
from support import ffmpeg
from support.children import order
from support.zygotes import LOOPBACK
from vidferry_worker.children.confinement import Confinement, Sandbox
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.network.broker import Broker

WARM = 5
"""forks of each that are not counted"""


class Site:
    """Hears the first byte of whoever comes, and answers nothing."""

    def __init__(self) -> None:
        self._came: asyncio.Future[float] | None = None

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/clip.mp4"

    def next(self) -> asyncio.Future[float]:
        """When the next one's first byte came, by time.perf_counter()."""
        self._came = asyncio.get_running_loop().create_future()
        return self._came

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if self._came and not self._came.done():
            self._came.set_result(time.perf_counter())
        writer.close()


async def first_bytes(count: int) -> dict[Sandbox, float]:
    """Median milliseconds of so many forks each, in turns: a neighbour on the machine meets both alike."""
    site = Site()
    url = await site.start()
    found: dict[Sandbox, list[float]] = {Sandbox.REQUIRED: [], Sandbox.OFF: []}
    async with AsyncExitStack() as stack:
        zygotes = {each: await stack.enter_async_context(_zygote(each)) for each in found}
        for _ in range(count + WARM):
            for each, zygote in zygotes.items():
                found[each].append(await _first_byte(zygote, site, url))
    return {each: median(times[WARM:]) * 1000 for each, times in found.items()}


async def _first_byte(zygote: Zygote, site: Site, url: str) -> float:
    with TemporaryDirectory(prefix="vidferry-bench-") as folder:
        came, begun = site.next(), time.perf_counter()
        child = await zygote.fork(Path(folder))
        order(child, url)
        try:
            return await asyncio.wait_for(came, 60) - begun
        finally:
            await child.close()


@asynccontextmanager
async def _zygote(sandbox: Sandbox) -> AsyncIterator[Zygote]:
    os.environ["PATH"] = ffmpeg.path_with_ffmpeg()
    zygote = Zygote(Broker(LOOPBACK), Confinement(sandbox))
    try:
        await zygote.start()
        yield zygote
    finally:
        await zygote.close()
