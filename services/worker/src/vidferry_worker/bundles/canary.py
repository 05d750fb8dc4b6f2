"""The canary: a fixed set of downloads that a bundle has to make before any worker runs it.

They go through the zygote, the sandbox and the broker of every download. What they fetch is in `canary_media/`, and is
served by this process: the broker's only connection leads to it, so nothing leaves the machine.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from ipaddress import ip_network
from pathlib import Path

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.child import ChildEnded
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.protocol import Done, DownloadOrder
from vidferry_worker.children.resource_monitor import ResourceLimits, ResourceMonitor
from vidferry_worker.children.session import ChildSession, ExtractionLimits
from vidferry_worker.children.work_dir import open_regular
from vidferry_worker.children.zygote import BundleBroken, BundleSilent, Zygote
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.dial import Address, dial_directly
from vidferry_worker.network.egress import EgressPolicy

HOST = "192.0.2.1"
"""of a range for documentation (RFC 5737), to which no network leads"""
SECONDS = 60.0
"""for one download"""
MAX_BYTES = 1024**2
MAX_HEAD = 16 * 1024
MAX_DISK = 16 * 1024**2
_TYPES = {
    ".mp4": "video/mp4", ".m4s": "video/mp4", ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml",
    ".html": "text/html; charset=utf-8",
}  # fmt: skip
_MEDIA_SECONDS = 2.0
_TIME_OUTS = frozenset({ErrorCode.TIMED_OUT, ErrorCode.STALLED})


@dataclass(frozen=True, slots=True)
class Sample:
    """A download of the canary."""

    path: str
    format: str
    kinds: int
    """streams of the finished file"""


SAMPLES = (
    Sample("clip.mp4", "1080-any", 2),
    Sample("master.m3u8", "1080-mp4", 2),
    Sample("manifest.mpd", "1080-mp4", 2),
    Sample("page.html", "1080-any", 2),
    Sample("master.m3u8", "audio-m4a", 1),
)


class CanaryFailed(Exception):
    """The bundle can't be used. The text says why, in the bundle's own words where it has some."""


class CanaryTimedOut(Exception):
    """A part of the canary took too long. That says nothing of the bundle: the machine may be busy."""


async def try_bundle(code: Path | None, work: Path, confinement: Confinement, guests: list[Zygote]) -> None:
    """Makes all downloads of the canary with the yt-dlp in a folder; CanaryFailed, CanaryTimedOut, OSError.

    code: None: the image's. work: an empty folder. guests: where its zygote is put meanwhile.
    """
    async with _origin() as port:
        policy = EgressPolicy((ip_network(f"{HOST}/32"),), frozenset())
        zygote = Zygote(Broker(policy, partial(_dial_origin, port)), confinement, work, code)
        limits = ResourceLimits(MAX_DISK, MAX_DISK, confinement.memory)
        monitor = asyncio.create_task(ResourceMonitor(zygote, limits).run())
        guests.append(zygote)
        try:
            await zygote.start()
            for number, sample in enumerate(SAMPLES):
                await _download(zygote, f"canary-{number}", sample)
        except (BundleSilent, TimeoutError) as error:
            raise CanaryTimedOut(str(error) or "it can't be loaded in time") from error
        except (BundleBroken, ChildEnded) as error:
            raise CanaryFailed(str(error) or type(error).__name__) from error
        finally:
            monitor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await monitor
            guests.remove(zygote)
            await zygote.close()


async def _download(zygote: Zygote, name: str, sample: Sample) -> None:
    async with zygote.open_folder(name) as folder:
        child = await zygote.fork(folder)
        session = ChildSession(child, ExtractionLimits(SECONDS, SECONDS))
        order = DownloadOrder(f"http://{HOST}/{sample.path}", sample.format, 60, MAX_BYTES, SECONDS)
        try:
            async with asyncio.timeout(SECONDS):
                await session.extract(order)
                session.start_download(fragments=2, growing=False)
                while not isinstance(done := await session.next_report(SECONDS), Done):
                    pass
            _check_file(folder, done, sample)
        except JobFailure as failure:
            told = f"{sample.path}, {sample.format}: {failure.code}: {failure.detail}"
            raise (CanaryTimedOut if failure.code in _TIME_OUTS else CanaryFailed)(told) from failure
        except TimeoutError as error:
            raise CanaryTimedOut(f"{sample.path}, {sample.format}: not within {SECONDS:g} s") from error
        except ChildEnded as error:
            raise CanaryFailed(f"{sample.path}, {sample.format}: {type(error).__name__}") from error
        finally:
            await child.close()


def _check_file(folder: Path, done: Done, sample: Sample) -> None:
    file, size = open_regular(folder, done.description.file)
    file.close()
    duration, codecs = done.description.duration or 0, done.description.codecs
    if not (0 < size <= MAX_BYTES and len(codecs) == sample.kinds and abs(duration - _MEDIA_SECONDS) < 1):
        raise CanaryFailed(f"{sample.path}, {sample.format}: {size} bytes, {duration} seconds, {codecs}")


async def _dial_origin(port: int, _: Address) -> socket.socket:
    return await dial_directly(Address(socket.AF_INET, "127.0.0.1", port))


@asynccontextmanager
async def _origin() -> AsyncIterator[int]:
    """The port of an origin that serves the canary's media."""
    media = resources.files("vidferry_worker.bundles") / "canary_media"
    files = {f"/{each.name}": each.read_bytes() for each in media.iterdir()}
    server = await asyncio.start_server(partial(_serve, files), "127.0.0.1", 0, limit=MAX_HEAD)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _serve(files: dict[str, bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request, whole or from where its Range begins."""
    with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)).decode("latin-1")
        method, path, _ = head.split("\r\n", 1)[0].split(" ", 2)
        writer.write(_answer(files, method, path.partition("?")[0], head))
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _answer(files: dict[str, bytes], method: str, path: str, head: str) -> bytes:
    content = files.get(path)
    if content is None:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    fields = [f"Content-Type: {_TYPES[Path(path).suffix]}", "Accept-Ranges: bytes", "Connection: close"]
    status, body = "200 OK", content
    asked = next((line for line in head.lower().split("\r\n") if line.startswith("range: bytes=")), "")
    if asked:
        first, _, last = asked.removeprefix("range: bytes=").partition("-")
        start, end = int(first), min(int(last or len(content) - 1), len(content) - 1)
        status, body = "206 Partial Content", content[start : end + 1]
        fields.append(f"Content-Range: bytes {start}-{end}/{len(content)}")
    fields.append(f"Content-Length: {len(body)}")
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode() + (b"" if method == "HEAD" else body)
