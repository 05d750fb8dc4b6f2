"""Downloads of sites that let browsers in alone, by children that can make no socket of their own."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.children import download, next_event
from support.origin import media
from support.origin.site import Site
from support.origin.wire import text
from support.tls_origin import CHROME, TlsOrigin
from vidferry_worker.children.protocol import LookOrder, LookPurpose
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.sites.browsers import is_browser

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("impersonation")]
FRAGMENTS, AT_ONCE = 48, 4
SECONDS = 12
"""for these fragments, which take one or two"""


@pytest.fixture
def tls_site(tls_origin: TlsOrigin) -> Iterator[Site]:
    """Of an origin that lets browsers in alone."""
    tls_origin.wanted, refusal = CHROME, tls_origin.refusal
    tls_origin.requests_per_connection = 10**9
    yield tls_origin.site()
    tls_origin.wanted, tls_origin.refusal = None, refusal


def many_fragments(site: Site, count: int = FRAGMENTS) -> str:
    """A playlist that names the same few fragments over and over."""
    lines = [f"#EXTINF:1.0,\nhls/v360/seg{number % media.SEGMENTS:03}.ts?n={number}" for number in range(count)]
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    return site.put("/list.m3u8", text(head + "\n".join([*lines, "#EXT-X-ENDLIST", ""]), "hls"))


async def test_a_site_for_browsers_alone(tls_site: Site, trusting_zygote: Zygote, tmp_path: Path) -> None:
    refused, let_in = tmp_path / "refused", tmp_path / "let_in"
    refused.mkdir()
    let_in.mkdir()
    url = tls_site.url("/media/clip.mp4")

    assert (await download(trusting_zygote, refused, url)).failure == "refused"
    found = await download(trusting_zygote, let_in, url, impersonate="chrome")

    assert found.file.read_bytes() == media.read("clip.mp4")
    assert [path.name for path in let_in.iterdir()] == [found.file.name]


@pytest.mark.parametrize("path", ["/hls/master.m3u8", "/dash/manifest.mpd", "/page"])
async def test_all_requests_are_a_browsers(path: str, tls_site: Site, trusting_zygote: Zygote, tmp_path: Path) -> None:
    found = await download(trusting_zygote, tmp_path, tls_site.url(path), fragments=AT_ONCE, impersonate="chrome")

    assert found.failure is None, found.events[-1]
    assert {each.status for each in tls_site.requests()} <= {200, 206}


@pytest.mark.parametrize("requests_per_connection", [10**9, 5], ids=["kept", "closed now and then"])
async def test_fragments_side_by_side_all_arrive(
    requests_per_connection: int, tls_origin: TlsOrigin, tls_site: Site, trusting_zygote: Zygote, tmp_path: Path
) -> None:
    """Over HTTP/2, where libcurl may take a connection for another one."""
    tls_origin.requests_per_connection = requests_per_connection
    expected = b"".join(media.read(f"hls/v360/seg{number % media.SEGMENTS:03}.ts") for number in range(FRAGMENTS))

    async with asyncio.timeout(SECONDS):
        found = await download(
            trusting_zygote, tmp_path, many_fragments(tls_site), fragments=AT_ONCE, impersonate="chrome"
        )

    assert found.failure is None, found.events[-1]
    progress = [each for each in found.of("progress") if each["finished"]]
    assert progress[-1]["downloaded"] == len(expected)


async def test_a_look_is_a_browsers_too(tls_site: Site, trusting_zygote: Zygote, tmp_path: Path) -> None:
    child = await trusting_zygote.fork(tmp_path)
    try:
        url = tls_site.url("/media/clip.mp4")
        child.send_order(LookOrder(LookPurpose.PROBE, url, "1080-any", 30, impersonate="chrome"))
        while (event := await next_event(child))["event"] not in {"probed", "failed"}:
            pass
    finally:
        await child.close()
    assert event["event"] == "probed", event


async def test_the_generic_extractor_becomes_a_browser_where_it_is_refused(
    tls_origin: TlsOrigin, tls_site: Site, trusting_zygote: Zygote, tmp_path: Path
) -> None:
    """And so do the requests for what it has found."""
    tls_origin.refusal = text("no", status=403, headers={"cf-mitigated": "challenge"})

    found = await download(trusting_zygote, tmp_path, tls_site.url("/page"))

    assert found.failure is None, found.events[-1]
    assert [each.status for each in tls_site.requests()][:2] == [403, 200]
    assert [each.status for each in tls_site.requests()].count(403) == 1


async def test_a_site_that_refuses_browsers_too_is_asked_twice(
    tls_origin: TlsOrigin, tls_site: Site, trusting_zygote: Zygote, tmp_path: Path
) -> None:
    tls_origin.wanted = ("nobody", "")
    tls_origin.refusal = text("no", status=403, headers={"cf-mitigated": "challenge"})

    found = await download(trusting_zygote, tmp_path, tls_site.url("/page"))

    assert found.failure == "refused"
    assert [each.status for each in tls_site.requests()] == [403, 403]


async def test_a_broken_body_is_resumed(tls_site: Site, trusting_zygote: Zygote, tmp_path: Path) -> None:
    found = await download(
        trusting_zygote, tmp_path, tls_site.url("/short/clip.mp4?times=2&at=1500000"), impersonate="chrome"
    )

    assert found.file.read_bytes() == media.read("clip.mp4")
    assert any("if-range" in each.headers for each in tls_site.requests() if "range" in each.headers)


async def test_a_body_that_is_always_cut_is_not_complete(
    tls_site: Site, trusting_zygote: Zygote, tmp_path: Path
) -> None:
    found = await download(trusting_zygote, tmp_path, tls_site.url("/short/clip.mp4"), impersonate="chrome")

    assert found.failure == "network", found.events[-1]


async def test_the_site_is_given_the_pause_that_it_asks_for(
    tls_site: Site, trusting_zygote: Zygote, tmp_path: Path
) -> None:
    found = await download(trusting_zygote, tmp_path, tls_site.url("/status/429?after=70"), impersonate="chrome")

    assert (found.failure, found.events[-1]["retry_after"]) == ("rate_limited", 70)


async def test_a_site_that_answers_nothing_is_left(
    listener: socket.socket, trusting_zygote: Zygote, tmp_path: Path
) -> None:
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/clip.mp4"

    found = await download(trusting_zygote, tmp_path, url, impersonate="chrome", stall_seconds=2)

    assert found.failure == "stalled", found.events[-1]


@pytest.mark.parametrize("where", ["https://10.0.0.1/clip.mp4", "https://[fe80::1]/clip.mp4"])
async def test_what_downloads_may_not_reach_is_refused(
    where: str, tls_site: Site, trusting_zygote: Zygote, tmp_path: Path
) -> None:
    for url in (where, tls_site.url(f"/redirect?to={where}")):
        folder = tmp_path / str(url == where)
        folder.mkdir()
        found = await download(trusting_zygote, folder, url, impersonate="chrome")
        assert found.failure == "forbidden_address", found.events[-1]


@pytest.mark.parametrize("name", ["chrome-1", "chrome:toaster-7", "lynx", ":::"])
async def test_a_browser_that_this_yt_dlp_lacks_fails_no_download(
    name: str, tls_site: Site, trusting_zygote: Zygote, tmp_path: Path
) -> None:
    """It was there when the sites file was read; a bundle may have others."""
    found = await download(trusting_zygote, tmp_path, tls_site.url("/media/clip.mp4"), impersonate=name)

    assert found.failure is None, found.events[-1]
    assert {"sec-ch-ua" in each.headers for each in tls_site.requests()} == {True}, (
        "it is yt-dlp's first choice, chrome"
    )


async def test_the_zygote_tells_which_browsers_there_are(trusting_zygote: Zygote) -> None:
    await trusting_zygote.start()
    for name in ("chrome", "SAFARI:ios", trusting_zygote.browsers[0]):
        assert is_browser(name, trusting_zygote.browsers)
