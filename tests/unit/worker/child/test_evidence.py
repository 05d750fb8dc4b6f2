"""By what an origin tells whether a video is still the one that was downloaded."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import orjson
import pytest

from support import made
from support.children import SECONDS, download, next_event, order
from support.origin.files import Answer, File
from support.origin.site import Site
from support.origin.wire import Body, Reply, Request, text
from vidferry_worker.child.segment_listing import list_fragments, list_playlist_segments
from vidferry_worker.child.validators import read_validators, without_signature
from vidferry_worker.children.event_parser import InvalidEventError, parse_evidence
from vidferry_worker.children.protocol import Evidence, EvidenceOrder, StopOrder
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.upload import evidence

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
    "nothing changed": Change("/a.mp4", {"/a.mp4": clip(ONE, ETag='"1"')}),
    "a date alone": Change("/a.mp4", {"/a.mp4": clip(ONE, Last_Modified=MONDAY, Date=TUESDAY)}),
    "a weak tag": Change("/a.mp4", {"/a.mp4": clip(ONE, ETag='W/"1"')}),
    "a page": Change("/page", {"/page": page("media/clip.mp4")}),
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
    "a length alone, and it is": Change("/a.mp4", {"/a.mp4": clip(ONE)}),
    "a date of this second": Change("/a.mp4", {"/a.mp4": clip(ONE, Last_Modified=MONDAY, Date=MONDAY)}),
    "another tag": Change("/a.mp4", {"/a.mp4": clip(ONE, ETag='"1"')}, {"/a.mp4": clip(ONE, ETag='"2"')}),
    "no tag any more": Change("/a.mp4", {"/a.mp4": clip(ONE, ETag='"1"')}, {"/a.mp4": clip(ONE)}),
    "the page plays another file": Change(
        "/page", {"/page": page("a.mp4"), "/a.mp4": clip(ONE, ETag='"1"'), "/b.mp4": clip(OTHER, ETag='"1"')},
        {"/page": page("b.mp4")},
    ),
    "the page plays another id": Change(
        "/page", {"/page": page("clip.mp4?id=1"), "/clip.mp4": clip(ONE, ETag='"1"')},
        {"/page": page("clip.mp4?id=2")},
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
    "HLS: no list": Change(MASTER, {}, {"/hls/v720/index.m3u8": text("no", status=404)}),
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


@pytest.mark.anyio
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


@pytest.mark.anyio
async def test_a_new_video_is_not_asked_about(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """What tells it again comes with its bytes."""
    for path in ("/media/clip.mp4", "/page", MASTER):
        await download(zygote, tmp_path, site.url(path))
    assert {one.method for one in site.settled()} == {"GET"}


@pytest.mark.anyio
async def test_a_file_is_known_again_by_the_request_that_found_it(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    assert await ask(zygote, tmp_path, site.url("/media/clip.mp4"))
    assert [one.method for one in site.settled()] == ["GET"]


def test_validators_are_those_of_the_whole_file() -> None:
    part = {"ETag": '"1"', "Content-Length": "5", "Content-Range": "bytes 5-9/10"}

    assert read_validators("http://a/", part)["content-length"] == "10"
    assert read_validators("http://a/", part | {"Content-Range": "bytes 5-9/*"})["content-length"] == "5"
    assert len(read_validators("http://a/", {"ETag": "x" * 5000})["etag"]) == 200


def test_a_date_that_cannot_be_read_is_compared_all_the_same() -> None:
    now = formatdate(usegmt=True)
    for headers in ({"Date": now}, {"Last-Modified": "yesterday", "Date": now}, {"Last-Modified": MONDAY}):
        assert read_validators("http://a/", headers).get("last-modified") == headers.get("Last-Modified")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://a/b?X-Goog-Signature=1&id=2&x-goog-expires=3#t=5", "http://a/b?id=2"),
        ("http://a/b?Expires=1&Signature=2&Key-Pair-Id=3", "http://a/b"),
        ("http://a/b?id=%2F+&c", "http://a/b?id=%2F+&c"),
        ("http://a/b?hdnts=exp=1~hmac=2", "http://a/b"),
    ],
)
def test_what_an_address_was_signed_with_does_not_count(url: str, same: str) -> None:
    assert without_signature(url) == same


def test_comments_of_a_list_do_not_count_and_missing_segments_are_not_asked_for() -> None:
    plain = "#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-GAP\n#EXTINF:1,\nb.ts\n#EXTINF:1,\nc.ts\n"
    listing = list_playlist_segments("http://a/b/c.m3u8", plain)

    assert listing == list_playlist_segments("http://a/b/c.m3u8", f"## made at {formatdate()}\n\n{plain}")
    assert listing
    assert listing.sample == ("http://a/b/a.ts", "http://a/b/c.ts")
    assert list_playlist_segments("http://a/", "#EXTM3U\n//[\n") is None


def test_of_a_long_list_some_segments_are_looked_at() -> None:
    names = [f"{number}.m4s" for number in range(1000)]
    stream = {"fragment_base_url": "http://a/b/", "fragments": [{"path": name} for name in names]}
    listing = list_fragments(stream)

    assert listing
    assert (listing.sample[0], listing.sample[-1], len(listing.sample)) == ("http://a/b/0.m4s", "http://a/b/999.m4s", 8)
    assert list_fragments({"fragments": lambda: None}) is None
    assert list_fragments({"fragments": range(10**12)}) is None


def test_parts_of_one_file_are_several_fragments() -> None:
    one, other = ({"url": "http://a/b.mp4", "byte_range": {"start": at, "end": 10}} for at in (0, 5))

    assert list_fragments({"fragments": [one]}) != list_fragments({"fragments": [other]})


FILE = {"url": "a", "etag": '"1"', "last-modified": "Mon", "content-length": "5"}
LIST = {"url": "a", "list": "b", "segments": "c"}


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ([FILE], [FILE], True),
        ([FILE], [{"url": "a", "etag": '"1"'}], True),
        ([FILE], [{"url": "a", "last-modified": "Mon"}], True),
        ([FILE], [{"url": "a", "content-length": "5"}], False),
        ([FILE], [FILE | {"url": "b"}], False),
        ([FILE], [FILE | {"last-modified": "Tue"}], False),
        ([FILE], [FILE | {"content-length": "6"}], False),
        ([{"url": "a", "content-length": "5"}], [{"url": "a", "content-length": "5"}], False),
        ([{"etag": '"1"'}], [{"etag": '"1"'}], False),
        ([{"url": "", "etag": '"1"'}], [{"url": "", "etag": '"1"'}], False),
        ([LIST], [LIST], True),
        ([LIST], [LIST | {"segments": "d"}], False),
        ([LIST], [LIST | {"list": "d"}], False),
        ([LIST], [FILE], False),
        ([{"url": "a", "list": "b"}], [{"url": "a", "list": "b"}], False),
        ([FILE, LIST], [FILE, LIST], True),
        ([FILE, LIST], [FILE], False),
        ([FILE], [FILE, FILE], False),
        ([FILE], None, False),
        (None, [FILE], False),
        (None, None, False),
        ([], [], False),
    ],
)
def test_what_is_the_same(before: Evidence, now: Evidence, same: bool) -> None:
    assert evidence.is_same(before, now) is same


@pytest.mark.parametrize(
    "told",
    ["etag", [FILE] * 9, [{"etag": 5}], [["etag", "1"]], [{"etag": "x" * 201}], [{"x" * 21: "1"}], 5, math.nan,
     [dict.fromkeys("abcdefg", "1")]],
    ids=lambda told: f"{told}"[:30],
)  # fmt: skip
def test_ill_formed_evidence_is_refused(told: Any) -> None:
    with pytest.raises(InvalidEventError):
        parse_evidence(told)
    assert evidence.from_metadata({"origin": orjson.dumps(told).decode()}) is None


@pytest.mark.parametrize("metadata", [{}, {"origin": ""}, {"origin": "null"}, {"origin": "[{"}])
def test_an_object_that_says_nothing_of_its_origin(metadata: dict[str, str]) -> None:
    assert evidence.from_metadata(metadata) is None
