"""By what an origin tells whether a video is still the one that was downloaded."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import made
from support.children import SECONDS, download, next_event, order
from support.origin.files import Answer, File
from support.origin.site import Site
from support.origin.wire import Body, Reply, Request, text
from vidferry_worker.children.event_parser import parse_evidence
from vidferry_worker.children.protocol import Evidence, EvidenceOrder, StopOrder
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.upload import evidence

pytestmark = pytest.mark.anyio
ONE, OTHER = made.clip(tone=440), made.clip(tone=660)
MONDAY, TUESDAY = "Mon, 05 Jan 2026 10:00:00 GMT", "Tue, 06 Jan 2026 10:00:00 GMT"
MASTER, MANIFEST = "/hls/master.m3u8", "/dash/manifest.mpd"
SIGNED = "clip.mp4?X-Amz-Date=20260105T100000Z&X-Amz-Signature={}"


def clip(data: bytes, **validators: str) -> Reply:
    """An answer with that video; the names of headers have _ for -."""
    headers = {name.replace("_", "-"): value for name, value in validators.items()}
    return Reply(200, {"Content-Type": "video/mp4", **headers}, Body(data))


def page(source: str) -> Reply:
    return text(f"<html><head><title>A page</title></head><body><video src='{source}'></video></body></html>", "html")


def no_head(request: Request) -> Reply:
    return text("no", status=405) if request.method == "HEAD" else clip(ONE, ETag='"1"')


def moved(to: str) -> Reply:
    return Reply(302, {"Location": to, "Content-Length": "0"})


def in_one_file() -> dict[str, Answer]:
    """A list whose segments are ranges of a file: yt-dlp asks for each of them, and is answered by 206."""
    folder = made.folder(
        *made.picture(), *made.X264, "-f", "hls", "-hls_time", "1", "-hls_flags", "single_file", "l.m3u8"
    )
    return {f"/{path.name}": File(path.name, path.read_bytes()) for path in folder.iterdir()}


@dataclass
class Change:
    """What a site answers while a video is downloaded, and what it answers otherwise when it is asked."""

    path: str
    before: Mapping[str, Answer] = field(default_factory=dict)
    after: Mapping[str, Answer] = field(default_factory=dict)


SAME = {
    "a date alone": Change("/a.mp4", {"/a.mp4": clip(ONE, Last_Modified=MONDAY, Date=TUESDAY)}),
    "HEAD is refused": Change("/page", {"/page": page("clip.mp4"), "/clip.mp4": no_head}),
    "signed anew": Change(
        "/page", {"/page": page(SIGNED.format("a")), "/clip.mp4": clip(ONE, ETag='"1"')},
        {"/page": page(SIGNED.format("b"))},
    ),
    "HLS": Change(MASTER),
    "HLS in one file": Change("/l.m3u8", in_one_file()),
    "DASH": Change(MANIFEST),
}  # fmt: skip
OTHERWISE = {
    "its length alone is the same": Change("/a.mp4", {"/a.mp4": clip(ONE)}, {"/a.mp4": clip(ONE[:-4] + b"abcd")}),
    "another tag": Change("/a.mp4", {"/a.mp4": clip(ONE, ETag='"1"')}, {"/a.mp4": clip(ONE, ETag='"2"')}),
    "the page plays another file": Change(
        "/page", {"/page": page("a.mp4"), "/a.mp4": clip(ONE, ETag='"1"'), "/b.mp4": clip(OTHER, ETag='"1"')},
        {"/page": page("b.mp4")},
    ),
    "the address leads elsewhere": Change(
        "/page",
        {"/page": page("latest.mp4"), "/latest.mp4": moved("a.mp4"), "/a.mp4": clip(ONE, ETag='"1"'),
         "/b.mp4": clip(OTHER, ETag='"1"')},
        {"/latest.mp4": moved("b.mp4")},
    ),
    "the page's file is gone": Change(
        "/page", {"/page": page("a.mp4"), "/a.mp4": clip(ONE, ETag='"1"')}, {"/a.mp4": text("no", status=404)},
    ),
    "HLS: a picture's last segment": Change(MASTER, {}, {"/hls/v720/seg005.ts": File("a.ts", b"another")}),
    "HLS: a sound's segment": Change(MASTER, {}, {"/hls/audio/seg003.ts": File("a.ts", b"another")}),
    "HLS: a segment without validators": Change(MASTER, {}, {"/hls/v720/seg001.ts": clip(b"another")}),
    "HLS in one file, which is another": Change("/l.m3u8", in_one_file(), {"/l.ts": File("l.ts", b"another")}),
    "HLS: another list": Change(
        MASTER, {}, {"/hls/v720/index.m3u8": text("#EXTM3U\n#EXTINF:1,\nseg000.ts\n#EXT-X-ENDLIST\n", "hls")}
    ),
    "DASH: a segment": Change(MANIFEST, {}, {"/dash/chunk-1-00002.m4s": File("a.m4s", b"another")}),
}  # fmt: skip


async def ask(zygote: Zygote, folder: Path, url: str) -> Evidence:
    """What a child tells that is asked instead of told to download."""
    child = await zygote.fork(folder)
    try:
        order(child, url)
        async with asyncio.timeout(SECONDS):
            while (await next_event(child))["event"] != "found":
                pass
            child.send_order(EvidenceOrder())
            while (event := await next_event(child))["event"] != "evidence":
                pass
        child.send_order(StopOrder())
        return parse_evidence(event["evidence"])
    finally:
        await child.close()


@pytest.mark.parametrize(
    ("change", "same"),
    [pytest.param(change, True, id=name) for name, change in SAME.items()]
    + [pytest.param(change, False, id=name) for name, change in OTHERWISE.items()],
)
async def test_a_video_is_known_again_only_where_the_origin_says_so(
    change: Change, same: bool, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    for path, answer in change.before.items():
        site.put(path, answer)
    url = site.url(change.path)
    outcome = await download(zygote, tmp_path, url)
    assert outcome.file.is_file()
    before = evidence.from_metadata(evidence.to_metadata(parse_evidence(outcome.events[-1]["evidence"])))
    for path, answer in change.after.items():
        site.put(path, answer)

    assert evidence.is_same(before, await ask(zygote, tmp_path, url)) is same


async def test_a_new_video_is_not_asked_about(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """What tells it again comes with its bytes."""
    for path in ("/media/clip.mp4", "/page", MASTER):
        await download(zygote, tmp_path, site.url(path))
    assert {one.method for one in site.settled()} == {"GET"}


async def test_a_file_is_known_again_by_the_request_that_found_it(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    assert await ask(zygote, tmp_path, site.url("/media/clip.mp4"))
    assert [one.method for one in site.settled()] == ["GET"]
