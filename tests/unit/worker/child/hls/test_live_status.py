"""Which lists are complete though they don't say so by EXT-X-ENDLIST."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from support import ffmpeg
from support import hls_media as hls
from support.children import download
from support.command_line import yt_dlp
from support.origin.site import Site
from support.origin.wire import text
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.hls.live_status import has_ended
from vidferry_worker.child.hls.tags import split_lines
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
TS = [f"s{at}.ts" for at in range(hls.SECONDS)]
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
VOD, EVENT, CUT = "#EXT-X-PLAYLIST-TYPE:VOD\n", "#EXT-X-PLAYLIST-TYPE:EVENT\n", "#EXT-X-MEDIA-SEQUENCE:100\n"
BEGUN = "#EXT-X-MEDIA-SEQUENCE:0\n"


def dated(begun: datetime) -> str:
    return f"#EXT-X-PROGRAM-DATE-TIME:{begun.isoformat()}\n"


def modified(ago: float) -> dict[str, str]:
    return {"Last-Modified": format_datetime(NOW - timedelta(seconds=ago), usegmt=True)}


@pytest.mark.parametrize(
    ("head", "headers", "expected"),
    [
        (VOD, {}, True),
        (VOD + CUT, modified(1), True),
        (EVENT, {}, True),
        (EVENT, modified(7200), True),
        (EVENT, modified(5), False),
        (EVENT + dated(NOW - timedelta(seconds=6)), {}, False),
        (EVENT + dated(NOW - timedelta(days=2)), {}, True),
        (EVENT + dated(NOW - timedelta(days=2)), modified(5), False),
        ("", {}, False),
        ("", modified(5), False),
        ("", modified(7200), True),
        (BEGUN + dated(NOW - timedelta(days=2)), {}, True),
        (BEGUN + dated(NOW - timedelta(hours=1, seconds=1)), {}, False),
        ("#EXT-X-MEDIA-SEQUENCE:1\n", modified(7200), True),
        (CUT + dated(NOW - timedelta(days=2)), modified(7200), False),
        ("#EXT-X-PROGRAM-DATE-TIME:yesterday\n", {"Last-Modified": "x"}, False),
        ("#EXT-X-PROGRAM-DATE-TIME:2026-11-27T12:00:00+0200\n", {}, True),
        ("#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59Z\n", {}, False),
    ],
)
def test_whether_a_list_still_grows(head: str, headers: dict[str, str], expected: bool) -> None:
    lines = split_lines(hls.a_list(TS, head=head, end=""))

    assert has_ended(lines, headers, NOW) is expected


@pytest.mark.parametrize("head", [VOD, EVENT, VOD + CUT], ids=["vod", "event", "vod-from-100"])
@pytest.mark.parametrize("through", ["list", "master", "page"])
async def test_such_a_list_is_downloaded(head: str, through: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    hls.put_folder(site, "/v", hls.video())
    urls = {
        "list": hls.put_list(site, "/v/list.m3u8", hls.a_list(TS, head=head, end="")),
        "master": hls.put_list(site, "/v/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n"),
        "page": site.put("/page", text('<!DOCTYPE html><video src="v/list.m3u8"></video>', "html")),
    }

    outcome = await download(zygote, tmp_path, urls[through])

    assert ffmpeg.duration(outcome.file) == pytest.approx(hls.SECONDS, abs=0.2)
    if through != "page":
        assert outcome.of("found")[0]["duration"] == hls.SECONDS


async def test_a_list_that_was_left_as_it_was_is_downloaded(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    hls.put_folder(site, "/v", hls.video())
    playlist = text(hls.a_list(TS, end=""), "hls", headers={"Last-Modified": "Sun, 01 Mar 2026 10:00:00 GMT"})

    outcome = await download(zygote, tmp_path, site.put("/v/list.m3u8", playlist))

    assert ffmpeg.duration(outcome.file) == pytest.approx(hls.SECONDS, abs=0.2)


@pytest.mark.parametrize(
    "head", ["", BEGUN, CUT, EVENT + dated(datetime.now(UTC))], ids=["untold", "begun", "cut", "event"]
)
async def test_a_stream_that_goes_on_is_live(head: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    url = hls.put_list(site, "/v/list.m3u8", hls.a_list(TS, head=head, end=""))

    assert (await download(zygote, tmp_path, url)).failure == ErrorCode.LIVE


async def test_a_page_may_have_a_stream_that_goes_on_too(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    hls.put_list(site, "/v/list.m3u8", hls.a_list(TS, head=CUT, end=""))
    page = site.put("/page", text('<!DOCTYPE html><video src="v/list.m3u8"></video>', "html"))

    assert (await download(zygote, tmp_path, page)).failure == ErrorCode.LIVE


async def test_less_than_a_second_is_no_stream_that_goes_on(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    hls.put_folder(site, "/v", hls.video())
    url = hls.put_list(site, "/v/list.m3u8", hls.a_list(TS[:1]).replace("1.0,", "0.9,"))

    assert (await download(zygote, tmp_path, url)).failure is None


def test_yt_dlp_by_itself_still_takes_it_for_a_stream_that_goes_on(site: Site, tmp_path: Path) -> None:
    url = hls.put_list(site, "/v/list.m3u8", hls.a_list(TS, head=VOD, end=""))

    assert yt_dlp(tmp_path, "--print", "is_live", url).stdout.strip() == "True"
