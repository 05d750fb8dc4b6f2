"""Which files a child tells of while they grow, and as what."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from yt_dlp import YoutubeDL

from support import ffmpeg
from support.children import SECONDS, download, next_event, order
from support.origin import media
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.formats import Container, Format
from vidferry_worker.child.growing_file import MIN_BYTES, GrowingFileReporter, is_final_as_downloaded
from vidferry_worker.child.probing import ProbedFile, ProbedStream, probe_file
from vidferry_worker.children import protocol
from vidferry_worker.children.protocol import Event, GoOrder
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
MIB = 1024**2
FILE = "/large/g/clip.mp4"
MP4 = ProbedFile("mov", "isom", 6.0, (ProbedStream("video", "h264", 6.0), ProbedStream("audio", "aac", 6.0)))


@pytest.mark.parametrize("path", [FILE, f"{FILE}?index=3"])
async def test_one_body_is_told_of_with_what_the_whole_file_is(
    path: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """Before its second half is sent."""
    child = await zygote.fork(tmp_path)
    order(child, site.url(path))
    events: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(SECONDS):
        while "done" not in events:
            event = await next_event(child)
            events[event["event"]] = event
            assert event["event"] != "failed", event
            if event["event"] == "found":
                child.send_order(GoOrder(growing=True))
            if event["event"] == "growing":
                assert (tmp_path / event["part"]).stat().st_size <= 10 * MIB
                inode = (tmp_path / event["part"]).stat().st_ino
                site.gate("g").open()
    await child.close()
    told, done = events["growing"], events["done"]
    assert told == {**done, "event": "growing", "part": f"{done['file']}.part", "total": 20 * MIB}
    assert (tmp_path / done["file"]).stat().st_ino == inode
    assert (tmp_path / done["file"]).stat().st_size == 20 * MIB


@pytest.mark.parametrize(
    ("path", "fmt"),
    [
        (f"{FILE}?mib=15", "1080-any"),
        (f"{FILE}?index=20", "1080-any"),
        (FILE, "1080-mkv"),
        ("/chunked/clip.mp4", "1080-any"),
    ],
)
async def test_others_are_not(path: str, fmt: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    site.gate("g").open()
    outcome = await download(zygote, tmp_path, site.url(path), fmt, growing=True)
    assert outcome.file.exists()
    assert outcome.of("growing") == []


async def test_none_is_where_nobody_asks(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    site.gate("g").open()
    outcome = await download(zygote, tmp_path, site.url(FILE))
    assert outcome.file.stat().st_size == 20 * MIB >= MIN_BYTES
    assert outcome.of("growing") == []


async def test_one_that_is_too_long_ends_before_it_is_here(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """The gate stays shut."""
    outcome = await download(zygote, tmp_path, site.url(FILE), growing=True, max_duration=2)
    assert outcome.failure == ErrorCode.TOO_LONG
    assert outcome.of("growing") == []


async def test_where_the_beginning_tells_nothing_the_end_says_that_it_is_too_long(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    site.gate("g").open()
    outcome = await download(zygote, tmp_path, site.url(f"{FILE}?index=20"), growing=True, max_duration=2)
    assert outcome.failure == ErrorCode.TOO_LONG


@pytest.mark.parametrize(
    ("fmt", "protocols", "kept"),
    [
        ("1080-any", ["https"], True),
        ("best-mp4", ["http"], True),
        ("720-webm", ["https"], True),
        ("1080-mkv", ["https"], False),
        ("audio-any", ["https"], False),
        ("1080-any", ["https", "https"], False),
        ("1080-any", ["m3u8_native"], False),
        ("1080-any", ["http_dash_segments"], False),
        ("1080-any", [None], False),
    ],
)
def test_what_stays_as_it_comes(fmt: str, protocols: list[str], kept: bool) -> None:
    assert is_final_as_downloaded(Format.parse(fmt), [{"protocol": protocol} for protocol in protocols]) is kept


def seen(path: Path, here: int) -> dict[str, Any]:
    """As yt-dlp tells of a block."""
    return {
        "status": "downloading", "downloaded_bytes": here, "total_bytes": 20 * MIB, "tmpfilename": str(path),
        "filename": str(path).removesuffix(".part"),
    }  # fmt: skip


def looked(growing: GrowingFileReporter) -> None:
    """Once its thread has seen what there is to see."""
    assert growing._looking
    growing._looking.join(SECONDS)


def test_a_text_is_not_probed(tmp_path: Path) -> None:
    path = tmp_path / "media.mp4.part"
    path.write_bytes(b"#EXTM3U\n" * MIB)
    probed: list[Path] = []
    told: list[type[Event]] = []

    def probe(file: Path) -> ProbedFile:
        probed.append(file)
        return MP4

    growing = GrowingFileReporter(probe, lambda event: told.append(type(event)), 3600)
    growing.note_progress(seen(path, 8 * MIB))
    looked(growing)
    assert (probed, told) == ([], [])
    path.write_bytes(media.large(20)[: 8 * MIB])
    growing.note_progress(seen(path, 8 * MIB))
    looked(growing)
    assert (probed, told) == ([path], [protocol.Growing])


@pytest.mark.parametrize(
    ("fmt", "ending", "kept"),
    [
        ("1080-any", "mov", True),
        ("1080-mp4", "mp4", True),
        ("1080-mp4", "mov", False),
        ("1080-mp4", "webm", False),
        ("best-webm", "webm", True),
        ("best-webm", "mkv", False),
    ],
)
def test_what_its_name_says_is_moved_is_not_kept(fmt: str, ending: str, kept: bool) -> None:
    assert is_final_as_downloaded(Format.parse(fmt), [{"protocol": "https", "ext": ending}]) is kept


@pytest.mark.usefixtures("worker_environment")
@pytest.mark.parametrize(("brand", "told"), [(b"isom", [protocol.Growing]), (b"qt  ", [])])
def test_what_its_bytes_say_is_moved_is_not_told_of(brand: bytes, told: list[type[Event]], tmp_path: Path) -> None:
    path = tmp_path / "media.mp4.part"
    beginning = media.large(20)[: 8 * MIB]
    path.write_bytes(beginning[:8] + brand + beginning[12:])
    events: list[type[Event]] = []
    with YoutubeDL({"quiet": True}) as downloader:
        look = partial(probe_file, downloader)
        growing = GrowingFileReporter(look, lambda event: events.append(type(event)), 3600, Container.MP4)
        growing.note_progress(seen(path, 8 * MIB))
        looked(growing)
    assert events == told


@pytest.mark.parametrize(("has", "tells"), [(MP4, [protocol.Growing]), (replace(MP4, container="mpegts"), [])])
def test_what_tells_its_length_in_the_end_is_not_told_of(
    has: ProbedFile, tells: list[type[Event]], tmp_path: Path
) -> None:
    path = tmp_path / "media.mp4.part"
    path.write_bytes(media.large(20)[:MIB])
    told: list[type[Event]] = []
    growing = GrowingFileReporter(lambda _: has, lambda event: told.append(type(event)), 3600)
    for here in (MIB, 4 * MIB, 12 * MIB, 19 * MIB):
        growing.note_progress(seen(path, here))
        looked(growing)
    assert told == tells


def test_the_origins_large_file_is_one_that_plays(tmp_path: Path) -> None:
    for index in (0, 3, 20):
        (tmp_path / "clip.mp4").write_bytes(media.large(20, 0, index))
        assert ffmpeg.kinds(tmp_path / "clip.mp4") == ["audio", "video"]
