"""The rows of the table: each measure in turns with what it is compared with, medians of both."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.report import median
from bench.worker import cpu, forks, sources, ways
from bench.worker.ways import Cost
from support.gcs import Gcs, gcs_service
from support.s3 import S3

Way = Callable[[], Awaitable[Cost]]
Row = list[str]
GIB = 1024**3
FLOOR = "the same zygote, download alone"
MANY = "wall ≤ 1.33, CPU ≤ 1.35"


async def in_turns(rounds: int, *each: Way) -> list[Cost]:
    """The medians of each way, all of which meet the same neighbours on the machine."""
    found: list[list[Cost]] = [[] for _ in each]
    for _ in range(rounds):
        for way, costs in zip(each, found, strict=True):
            costs.append(await way())
    return [Cost(median([cost.wall for cost in costs]), median([cost.cpu for cost in costs])) for costs in found]


def row(name: str, ours: Cost, other: str, theirs: Cost, goal: str) -> Row:
    ratios = (f"{mine / its:.2f}" for mine, its in ((ours.wall, theirs.wall), (ours.cpu, theirs.cpu)))
    figures = (f"{figure:.2f}" for figure in (ours.wall, ours.cpu, theirs.wall, theirs.cpu))
    return [name, other, *figures, *ratios, goal]


@asynccontextmanager
async def _served(make: Callable[[Path], None]) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="vidferry-bench-") as folder:
        make(Path(folder))
        with ways.site(Path(folder)) as address:
            yield address


async def clips(count: int, rounds: int) -> list[Row]:
    """Short videos, four at once."""
    async with _served(lambda folder: sources.clip(folder, "clip.mp4", 5 * sources.MIB)) as address:
        product, alone = await _beside_the_floor(address, "clip.mp4", count, rounds)
        some = [ways.anew(address, "clip.mp4") for _ in range(max(4, count // 5))]
        (command,) = await in_turns(max(1, rounds // 2), lambda: asyncio.to_thread(ways.yt_dlp_side_by_side, some))
    share = count / len(some)
    command = Cost(command.wall * share, command.cpu * share)
    name = f"{count} clips of 5 MB, 4 at once, uploaded"
    return [
        row(name, product, FLOOR, alone, MANY),
        row(name, product, f"`xargs -P2 yt-dlp`, by {len(some)} clips", command, ""),
    ]


async def pages(count: int, rounds: int) -> list[Row]:
    """Pages, each with the player of a short video."""
    async with _served(sources.page) as address:
        product, alone = await _beside_the_floor(address, "page.html", count, rounds)
    return [row(f"{count} pages with a player, 4 at once, uploaded", product, FLOOR, alone, MANY)]


async def masters(count: int, rounds: int) -> list[Row]:
    """HLS master playlists."""
    async with _served(sources.master) as address:
        product, alone = await _beside_the_floor(address, "master.m3u8", count, rounds)
    return [row(f"{count} HLS masters, 4 at once, uploaded", product, FLOOR, alone, MANY)]


async def _beside_the_floor(address: str, name: str, count: int, rounds: int) -> list[Cost]:
    """So many addresses of a file, none of them seen before, four at once: by all of Vidferry, and by the floor."""

    def urls(many: int = count) -> list[str]:
        return [ways.anew(address, name) for _ in range(many)]

    async with ways.floor() as floor, ways.vidferry() as ours:
        await floor.download(urls(4), 4)
        await ours.download(urls(4))
        return await in_turns(rounds, lambda: ours.download(urls()), lambda: floor.download(urls(), at_once=4))


async def large(size: int, rounds: int) -> list[Row]:
    """One file, to the disk."""
    async with _served(lambda folder: sources.clip(folder, "large.mp4", size)) as address, ways.floor() as floor:
        url = f"{address}/large.mp4"
        ours, command = await in_turns(
            rounds, lambda: floor.download([url]), lambda: asyncio.to_thread(ways.yt_dlp, url)
        )
    return [row(f"one file of {size // sources.MIB} MiB", ours, "`yt-dlp`", command, "wall ≤ 1.03, CPU ≤ 1.05")]


async def growing(
    size: int, rate: int, rounds: int, serve: Callable[[Path], AbstractContextManager[Gcs | S3]] = gcs_service
) -> list[Row]:
    """One file from a slow origin to a slow bucket, uploaded while it comes, and afterwards."""
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(_served(lambda folder: sources.clip(folder, "large.mp4", size)))
        service = stack.enter_context(serve(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        service.layer.rate = rate
        told = service.environment()
        early = await stack.enter_async_context(ways.vidferry(told))
        after = await stack.enter_async_context(ways.vidferry(told, upload_while_downloading="false"))

        def urls() -> list[str]:
            return [ways.anew(f"{address}/pace/{rate}", "large.mp4")]

        ours, plain = await in_turns(rounds, lambda: early.download(urls()), lambda: after.download(urls()))
    name = f"one file of {size // sources.MIB} MiB, origin and bucket of {rate // sources.MIB} MiB/s each"
    return [row(name, ours, "VIDFERRY_UPLOAD_WHILE_DOWNLOADING=false", plain, "wall ≤ 0.6")]


async def hls(count: int, rounds: int) -> list[Row]:
    """Segments from an origin that takes 50 ms for each request."""
    async with _served(lambda folder: sources.segments(folder, count)) as address, ways.floor() as floor:
        url = f"{address}/wait/50/hls/index.m3u8"
        ours, command = await in_turns(
            rounds, lambda: floor.download([url]), lambda: asyncio.to_thread(ways.yt_dlp, url)
        )
    return [row(f"HLS, {count} segments, 50 ms a request", ours, "`yt-dlp`", command, "wall ≤ 0.3")]


async def merge(size: int, rounds: int) -> list[Row]:
    """Two files into one: from the last byte's arrival to the finished file, compared with ffmpeg alone."""
    with tempfile.TemporaryDirectory(prefix="vidferry-bench-") as folder:
        home = Path(folder)
        sources.streams(home, size)
        with ways.site(home) as address:
            async with ways.floor() as floor:
                url = f"{address}/manifest.mpd"
                ours, bare = await in_turns(
                    rounds, lambda: floor.merge(url), lambda: asyncio.to_thread(ways.bare_merge, home)
                )
    return [row(f"merge of {size // sources.MIB} MiB", ours, "`ffmpeg -c copy`", bare, "wall ≤ 1.1")]


async def memory(count: int) -> list[Row]:
    """MB of the worker's own process, and of a child's pages that it shares with no other, at the same work."""
    async with (
        _served(lambda folder: sources.clip(folder, "clip.mp4", 3 * sources.MIB)) as address,
        ways.vidferry() as ours,
    ):
        await ours.download([ways.anew(address, "clip.mp4") for _ in range(max(8, count // 10))])
        before = cpu.rollup(ours.worker.process.pid)["Rss"]
        peaks: list[int] = []
        watching = asyncio.create_task(_watch(ours.zygote, peaks))
        await ours.download([ways.anew(address, "clip.mp4") for _ in range(count)])
        after = cpu.rollup(ours.worker.process.pid)["Rss"]
        watching.cancel()
    return [
        [f"worker, before and after {count} downloads", f"{before}, {after}", "≤ 100, flat"],
        ["a child's own, median and most", f"{median(peaks):.0f}, {max(peaks)}", "≤ 30"],
    ]


async def sandbox(count: int) -> list[Row]:
    """Milliseconds from a fork to the first byte at the site."""
    on, off = (await forks.first_bytes(count)).values()
    return [[f"fork to first byte, median of {count}: on, off, between", f"{on:.1f}, {off:.1f}, {on - off:.1f}", "≤ 3"]]


async def _watch(zygote: int, peaks: list[int]) -> None:
    """The most that each child has had; looked at ten times a second."""
    most: dict[int, int] = {}
    while True:
        for pid in cpu.children(zygote):
            try:
                most[pid] = max(most.get(pid, 0), cpu.own(pid))
            except OSError:  # it has just ended
                continue
        peaks[:] = most.values()
        await asyncio.sleep(0.1)


def texts(rows: Sequence[Row]) -> list[Row]:
    return list(rows)
