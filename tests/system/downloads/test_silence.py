"""A connection that goes silent is replaced within the attempt, wherever that happens, until the stall time is over."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support import ffmpeg, hls, made
from support.children import Outcome, download
from support.origin.files import Answer, File, answer
from support.origin.server import Origin
from support.origin.site import Site
from support.origin.wire import Reply, Request, text
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
STALL_SECONDS = 6
"""the first connection has two thirds of it, and what replaces it the rest"""
CLIP = File("clip.mp4", made.clip())
HALF = len(CLIP.data) // 2
PAGE = text("<p>A video</p>" * 100 + '<video src="clip.mp4"></video>', "html")


def without_head(site: Site) -> Reply:
    """No byte."""

    async def wait() -> bytes:
        await site.gate("never").opened()
        return b""

    return Reply(work=wait)


def silent(site: Site, given: Answer, at: int) -> Callable[[Request], Reply]:
    """The same, but nothing more after so many bytes of the body."""

    def answered(request: Request) -> Reply:
        found = given(request) if callable(given) else given
        reply = answer(request, found)[0] if isinstance(found, File) else found
        return replace(reply, body=replace(reply.body, gate=site.gate("never"), gate_at=at))

    return answered


def page_without_end(site: Site) -> str:
    return site.put("/page", silent(site, PAGE, 700))


def file_without_end(site: Site) -> str:
    return site.put("/clip.mp4", CLIP, silent(site, CLIP, HALF), silent(site, CLIP, 0))


def segment_without_head(site: Site) -> str:
    return hls.put_clip(site, s2=[without_head(site)])


STALLED = (page_without_end, file_without_end, segment_without_head)


def silent_page(site: Site) -> str:
    site.put("/clip.mp4", CLIP)
    return site.put("/page", without_head(site), PAGE)


def page_that_stops(site: Site) -> str:
    site.put("/clip.mp4", CLIP)
    return site.put("/page", silent(site, PAGE, 700), PAGE)


def file_that_stops(site: Site) -> str:
    """The first response tells its head."""
    return site.put("/clip.mp4", CLIP, silent(site, CLIP, HALF), CLIP)


def silent_file(site: Site) -> str:
    return site.put("/clip.mp4", CLIP, without_head(site), CLIP)


def silent_list(site: Site) -> str:
    hls.put_clip(site)
    good = site.next_answer("/list.m3u8")
    assert good
    return site.put("/list.m3u8", good, without_head(site), good)


def segment_that_stops(site: Site) -> str:
    segment = hls.clip_segment(2)
    return hls.put_clip(site, s2=[silent(site, segment, len(segment.data) // 2), segment])


def silent_segment(site: Site) -> str:
    return hls.put_clip(site, s2=[without_head(site), hls.clip_segment(2)])


def silent_key(site: Site) -> str:
    return hls.put_clip(site, key_url="key", key=[without_head(site), hls.KEY_FILE])


def list_that_can_be_spared(site: Site) -> str:
    """It never comes, and the page has another source."""
    site.put("/list.m3u8", without_head(site))
    site.put("/clip.mp4", CLIP)
    sources = '<source src="list.m3u8" type="application/x-mpegURL"><source src="clip.mp4" type="video/mp4">'
    return site.put("/page", text(f"<p>A video</p><video>{sources}</video>", "html"))


FILES = (silent_page, page_that_stops, file_that_stops, silent_file, list_that_can_be_spared)
LISTS = (silent_list, segment_that_stops, silent_segment, silent_key)


async def all_of(
    cases: tuple[Callable[[Site], str], ...], zygote: Zygote, origin: Origin, folder: Path, stall_seconds: float
) -> dict[Callable[[Site], str], tuple[Outcome, Site]]:
    """What comes of these downloads, which run at once, each from a site of its own."""

    async def one(case: Callable[[Site], str]) -> tuple[Outcome, Site]:
        site, own = origin.site(), folder / case.__name__
        await asyncio.to_thread(own.mkdir)
        return await download(zygote, own, case(site), stall_seconds=stall_seconds), site

    return dict(zip(cases, await asyncio.gather(*map(one, cases)), strict=True))


async def test_a_silent_connection_is_replaced(zygote: Zygote, origin: Origin, tmp_path: Path) -> None:
    found = await all_of((*FILES, *LISTS), zygote, origin, tmp_path, STALL_SECONDS)

    assert {case.__name__: end.events[-1] for case, (end, _) in found.items() if end.failure} == {}
    assert all(found[case][0].file.read_bytes() == CLIP.data for case in FILES)
    assert all(ffmpeg.duration(found[case][0].file) == pytest.approx(hls.SECONDS, abs=0.2) for case in LISTS)
    for case, path in ((file_that_stops, "/clip.mp4"), (segment_that_stops, "/s2.ts")):
        *_, cut, rest = found[case][1].settled(path)
        resumed = int(rest.headers["range"].removeprefix("bytes=").partition("-")[0])
        assert 0 < resumed <= cut.sent
        assert resumed + rest.sent == cut.length


async def test_it_ends_with_the_stall_time(zygote: Zygote, origin: Origin, tmp_path: Path) -> None:
    """However often the site is asked, and whether or not it sends a head."""
    seconds = 2.0
    begun = time.monotonic()
    found = await all_of(STALLED, zygote, origin, tmp_path, seconds)

    assert {case.__name__: end.failure for case, (end, _) in found.items()} == dict.fromkeys(
        [case.__name__ for case in STALLED], "stalled"
    )
    assert time.monotonic() - begun >= seconds
