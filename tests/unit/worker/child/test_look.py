"""What a child tells of a URL at which it only looks: with a real child, and the real yt-dlp."""

import asyncio
from pathlib import Path

import pytest

from support.origin.site import Site
from support.origin.wire import text
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.probes import MAX_BYTES, MAX_ENTRIES, MAX_FORMATS, ListEntry, Probe
from vidferry_worker.children.protocol import Failed, LookOrder, LookPurpose, Probed
from vidferry_worker.children.wire import MAX_BYTES as MAX_MESSAGE
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio


async def look(zygote: Zygote, folder: Path, url: str, fmt: str = "1080-any") -> Probe | Failed:
    child = await zygote.fork(folder)
    try:
        child.send_order(LookOrder(LookPurpose.PROBE, url, fmt, 30))
        async with asyncio.timeout(60):
            report = await child.next_report()
    finally:
        await child.close()
    if isinstance(report, Failed):
        return report
    assert isinstance(report, Probed)
    return report.probe


async def probe(zygote: Zygote, folder: Path, url: str, fmt: str = "1080-any") -> Probe:
    found = await look(zygote, folder, url, fmt)
    assert isinstance(found, Probe), found
    return found


def feed(site: Site, count: int) -> str:
    items = "".join(
        f"<item><title>Part {n}</title><enclosure url='part{n}.mp4' type='video/mp4' length='1'/></item>"
        for n in range(1, count + 1)
    )
    return site.put("/feed", text(f"<rss version='2.0'><channel><title>A course</title>{items}</channel></rss>", "xml"))


async def test_the_choice_is_what_the_download_would_fetch(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """HLS tells bit rates, not sizes."""
    found = await probe(zygote, tmp_path, site.url("/hls/master.m3u8"), "360-any")
    assert [(each.height, each.video, each.audio) for each in found.formats] == [
        (None, False, True), (360, True, False), (720, True, False),
    ]  # fmt: skip
    assert found.choice
    assert [found.choice.height, len(found.choice.formats)] == [360, 2]
    assert (found.choice.video_codec or "").startswith("avc1")
    assert (found.choice.audio_codec or "").startswith("mp4a")
    assert found.choice.size_estimated
    assert 100_000 < (found.choice.size or 0) < 1_000_000
    assert (found.duration, found.live, found.is_list, found.entries) == (5, False, False, [])
    (mp3,) = [(await probe(zygote, tmp_path, site.url("/hls/master.m3u8"), "audio-mp3")).choice]
    assert mp3
    assert (mp3.container, mp3.height, len(mp3.formats)) == ("mp3", None, 1)


async def test_the_origin_tells_the_size_of_a_file(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    found = await probe(zygote, tmp_path, site.url("/page?src=media/clip.mp4"))
    (asked,) = site.requests("/media/clip.mp4")
    assert (asked.method, found.title) == ("HEAD", "A clip of coloured bars")
    assert found.choice
    assert (found.choice.size, found.choice.size_estimated) == (asked.length, False)
    assert found.formats[0].size == asked.length
    assert (found.thumbnail or "").endswith("/thumb.jpg")
    assert not site.requests("/thumb.jpg"), "it is text"


async def test_dash_tells_its_duration(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    found = await probe(zygote, tmp_path, site.url("/dash/manifest.mpd"))
    assert found.duration == pytest.approx(6, abs=1.5)
    assert found.choice
    assert found.choice.size
    assert not [each for each in site.requests() if each.path.endswith((".m4s", ".mp4"))], "no fragment is fetched"


async def test_a_list_tells_its_first_entries(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    found = await probe(zygote, tmp_path, feed(site, MAX_ENTRIES + 50))
    assert (found.title, found.is_list, found.choice, found.formats) == ("A course", True, None, [])
    assert (len(found.entries), found.entry_count) == (MAX_ENTRIES, MAX_ENTRIES + 50)
    assert found.entries[0] == ListEntry(1, site.url("/part1.mp4"), "Part 1", None)
    assert len(site.requests()) == len(site.requests("/feed")), "no entry is asked for"


async def test_a_list_of_one_is_its_video(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    items = (
        f"<item><title>Alone</title><enclosure url='{site.url('/media/clip.mp4')}' type='video/mp4' length='1'/></item>"
    )
    site.put("/feed", text(f"<rss version='2.0'><channel><title>A course</title>{items}</channel></rss>", "xml"))
    found = await probe(zygote, tmp_path, site.url("/feed"))
    assert (found.title, found.is_list, len(found.formats)) == ("Alone", False, 1)


async def test_a_page_with_several_players_is_its_first_video(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """As for a download; the others are offered."""
    found = await probe(zygote, tmp_path, site.url("/page?src=media/clip.mp4&src=other/clip.mp4"))
    assert (found.is_list, found.entry_count, len(found.formats)) == (False, 2, 1)
    assert [each.index for each in found.entries] == [1, 2]
    assert found.entries[1].url == site.url("/other/clip.mp4")


async def test_a_live_stream_is_told_as_one(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    found = await probe(zygote, tmp_path, site.url("/live.m3u8"))
    assert (found.live, found.title, found.duration) == (True, "live", None)


async def test_what_does_not_fit_has_no_choice(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    found = await probe(zygote, tmp_path, site.url("/hls/master.m3u8"), "1080-webm")
    assert found.choice is None
    assert len(found.formats) == 3


async def test_many_formats_fit_into_one_message(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    found = await probe(zygote, tmp_path, site.url("/variants/900/master.m3u8"))
    assert 100 < len(found.formats) <= MAX_FORMATS
    assert found.shortened
    assert found.choice
    assert found.choice.formats[0] in {each.id for each in found.formats}, "the best ones stay"
    assert MAX_BYTES < MAX_MESSAGE


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/page-empty", ErrorCode.UNSUPPORTED_SITE),
        ("/status/404", ErrorCode.UNAVAILABLE),
        ("/page?src=http://10.0.0.1/clip.mp4", ErrorCode.FORBIDDEN_ADDRESS),
        ("/redirect?to=http://10.0.0.1/page", ErrorCode.FORBIDDEN_ADDRESS),
    ],
)
async def test_it_fails_as_a_download_does(
    zygote: Zygote, site: Site, tmp_path: Path, path: str, code: ErrorCode
) -> None:
    failed = await look(zygote, tmp_path, site.url(path))
    assert isinstance(failed, Failed)
    assert failed.code is code
