"""Lists of links: the only entry of one is downloaded."""

from pathlib import Path

import pytest

from support import hls, made
from support.children import download
from support.command_line import yt_dlp
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import Body, Reply, Request, text
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.patches.plain_playlists import MAX_PLAYLISTS
from vidferry_worker.child.plain_playlists import Entry, decode_text, find_first_entry
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
M3U = "#EXTM3U\n#EXTINF:2,The harbour, at night\nmedia/clip.mp4\n"
ANOTHER = "#EXTINF:2,Another\nmedia/lost.mp4\n"
PLS = "[playlist]\r\nNumberOfEntries=2\r\nFile2=C:\\lost.mp4\r\nFile1=media/clip.mp4\r\nTitle1=Harbour\r\nVersion=2\r\n"
BARE = "# of the harbour\nC:\\Films\\clip.mp4\nmedia/clip.mp4\nmedia/clip.mp4\n"
BASE = "http://site/lists/a.m3u"


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (M3U + ANOTHER, Entry("http://site/lists/media/clip.mp4", "The harbour, at night")),
        ('#EXTM3U\n#EXTINF:-1 tvg-name="a, b" group="c",TV, live\n//cdn/1\n', Entry("http://cdn/1", "TV, live")),
        (PLS, Entry("http://site/lists/media/clip.mp4", "Harbour")),
        ("\ufeff[Playlist]\nFILE1 = https://radio/stream\n", Entry("https://radio/stream")),
        (BARE, Entry("http://site/lists/media/clip.mp4")),
        ("#EXTM3U\nmy films/a b.mp4|User-Agent=x\n", Entry("http://site/lists/my%20films/a%20b.mp4")),
        (f"#EXTM3U\n{hls.segments(['a.ts'])}#EXT-X-ENDLIST\n", None),
        ("<!DOCTYPE html>\n<title>a/b</title>\na/b\n", None),
        ('{"error":"a/b"}', None),
        ("Forbidden", None),
        ("Not here, see the terms/conditions", None),
        ("G\0\x01/a\n", None),
        ("#EXTM3U\nfile:///etc/passwd\nrtmp://radio/live\n", None),
        ("[playlist]\nTitle1=nothing\n", None),
        ("", None),
    ],
)
def test_the_first_entry_that_leads_somewhere(listed: str, expected: Entry | None) -> None:
    assert find_first_entry(listed, BASE) == expected


@pytest.mark.parametrize(
    ("path", "listed", "media_type", "title"),
    [
        ("/list.m3u", M3U, "audio/x-mpegurl", "The harbour, at night"),
        ("/list.m3u", BARE, "text/plain", "clip"),
        ("/list.pls", PLS, "application/octet-stream", "Harbour"),
        ("/list", PLS, "text/plain", "Harbour"),
    ],
)
async def test_it_is_downloaded(
    path: str, listed: str, media_type: str, title: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    site.put("/media/clip.mp4", File("clip.mp4", made.clip()))

    outcome = await download(zygote, tmp_path, site.put(path, text(listed, media_type)))

    assert outcome.file.read_bytes() == made.clip()
    assert outcome.of("found")[0]["title"] == title
    assert site.requests("/media/lost.mp4") == []


@pytest.mark.parametrize("beginning", ["", "# a comment\n" * 10_000], ids=["short", "long"])
async def test_a_list_of_several_is_told_as_one(beginning: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Also beyond the beginning, by which it is recognized."""
    url = site.put("/list.m3u", text(M3U + beginning + ANOTHER, "audio/x-mpegurl"))

    outcome = await download(zygote, tmp_path, url)

    assert (outcome.failure, outcome.events[-1]["entries"]) == (ErrorCode.PLAYLIST, 2)
    assert [one.path for one in site.requests()] == ["/list.m3u"]


async def test_an_entry_may_be_a_page_or_a_list_of_segments(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    hls.put_folder(site, "/v", hls.video())
    hls.put_list(site, "/v/list.m3u8", hls.a_list(["s0.ts", "s1.ts"]))
    site.put("/page", text('<!DOCTYPE html><video src="v/list.m3u8"></video>', "html"))

    outcome = await download(zygote, tmp_path, site.put("/list.m3u", text("#EXTM3U\npage\n", "audio/mpegurl")))

    assert outcome.file.suffix == ".mp4"


async def test_a_player_on_a_page_may_name_such_a_list(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    site.put("/media/clip.mp4", File("clip.mp4", made.clip()))
    site.put("/list.m3u8", text(M3U, "hls"))
    page = site.put("/page", text('<!DOCTYPE html><video src="list.m3u8"></video>', "html"))

    assert (await download(zygote, tmp_path, page)).file.read_bytes() == made.clip()


@pytest.mark.parametrize("path", ["/list.m3u", "/station"])
async def test_a_radio_is_live(path: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    headers = {"Content-Type": "audio/mpeg", "icy-name": "Harbour FM", "icy-br": "128"}
    site.put("/station", Reply(200, headers, Body(b"\xff\xfb" * 1000, chunked=True, endless=True)))
    site.put("/list.m3u", text("#EXTM3U\n#EXTINF:-1,Harbour FM\nstation\n", "audio/x-mpegurl"))

    assert (await download(zygote, tmp_path, site.url(path))).failure == ErrorCode.LIVE


def test_an_old_list_is_no_unicode() -> None:
    assert [decode_text(each) for each in (b"caf\xe9.", b"caf\xc3\xa9.", b"caf\xc3")] == [
        "caf\u00e9.",
        "caf\u00e9.",
        "caf",
    ]


async def test_lists_that_lead_on_and_on_end(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    def lead_on(request: Request) -> Reply:
        return text(f"#EXTM3U\nlist.m3u?at={request.number('at', 0) + 1}\n", "audio/mpegurl")

    outcome = await download(zygote, tmp_path, site.put("/list.m3u", lead_on))

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM
    assert len(site.requests("/list.m3u")) == MAX_PLAYLISTS + 1


def test_yt_dlp_by_itself_still_does_not_follow(site: Site, tmp_path: Path) -> None:
    site.put("/media/clip.mp4", File("clip.mp4", made.clip()))

    yt_dlp(tmp_path, site.put("/list.m3u", text(M3U, "audio/x-mpegurl")))

    assert [each for each in tmp_path.iterdir() if each.read_bytes() == made.clip()] == []
