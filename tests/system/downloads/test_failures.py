"""What goes wrong at an origin, as the code that a watcher is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from support.children import download
from support.origin.files import Answer
from support.origin.site import Site
from support.origin.wire import Body, Reply, Request, text
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.page_limits import MAX_ELEMENTS, MAX_VIDEOS
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/401", ErrorCode.LOGIN_REQUIRED),
        ("/status/403", ErrorCode.REFUSED),
        ("/status/404", ErrorCode.UNAVAILABLE),
        ("/status/410", ErrorCode.UNAVAILABLE),
        ("/status/429", ErrorCode.RATE_LIMITED),
        ("/status/451", ErrorCode.GEO_BLOCKED),
        ("/status/500", ErrorCode.ORIGIN_ERROR),
        ("/status/503", ErrorCode.ORIGIN_ERROR),
        ("/page-empty", ErrorCode.UNSUPPORTED_SITE),
        ("/page?src=/status/404", ErrorCode.UNAVAILABLE),
        ("/short/clip.mp4", ErrorCode.NETWORK),
        ("/short/clip.mp4?reset=1", ErrorCode.NETWORK),
        ("/hls-missing/master.m3u8", ErrorCode.ORIGIN_ERROR),
        ("/live.m3u8", ErrorCode.LIVE),
        ("/redirect?to=http://127.0.0.1:1/clip.mp4", ErrorCode.NETWORK),
        ("/redirect?to=/status/404", ErrorCode.UNAVAILABLE),
    ],
)
async def test_what_the_origin_did_is_told(
    path: str, code: ErrorCode, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url(path.replace("=/", f"={site.base}/")))

    assert outcome.failure == code, outcome.events[-1]


def leading(to: str) -> Reply:
    return Reply(302, {"Location": to})


def refreshing(to: str) -> Reply:
    return text(f'<html><head><meta http-equiv="refresh" content="0; url={to}"></head></html>', "html")


def endless(request: Request) -> Reply:
    """Each leads to another address."""
    return refreshing(f"./?n={request.number('n', 0) + 1}")


EMPTY = Reply(200, {"Content-Type": "video/mp4"})
UNCHANGING: dict[str, tuple[dict[str, Answer], ErrorCode, int]] = {
    "a circle of redirects": ({"/": leading("b"), "/b": leading("./")}, ErrorCode.REFUSED, 31),
    "a circle of refreshes": ({"/": refreshing("b"), "/b": refreshing("./")}, ErrorCode.UNSUPPORTED_SITE, 5),
    "refreshes without end": ({"/": endless}, ErrorCode.UNSUPPORTED_SITE, 10),
    "to FTP": ({"/": leading("ftp://127.0.0.1/clip.mp4")}, ErrorCode.UNSUPPORTED_STREAM, 1),
    "to a file": ({"/": leading("file:///etc/passwd")}, ErrorCode.UNSUPPORTED_STREAM, 1),
    "to a mail": ({"/": leading("mailto:someone@site.example")}, ErrorCode.UNSUPPORTED_STREAM, 1),
    "to nowhere": ({"/": leading("http://[nowhere/")}, ErrorCode.UNSUPPORTED_SITE, 2),
    "from the video": (
        {"/": text('<video src="v.mp4"></video>', "html"), "/v.mp4": leading("rtmp://127.0.0.1/v")},
        ErrorCode.UNSUPPORTED_STREAM, 4,
    ),
    "an empty file": ({"/": EMPTY}, ErrorCode.UNSUPPORTED_STREAM, 5),
    "an empty file, in chunks": (
        {"/": Reply(200, {"Content-Type": "video/mp4"}, Body(chunked=True))}, ErrorCode.UNSUPPORTED_STREAM, 5,
    ),
    "an empty page": ({"/": text("", "html")}, ErrorCode.UNSUPPORTED_STREAM, 5),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCHANGING)
async def test_what_does_not_change_is_told_by_its_name(case: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """After a bounded number of requests."""
    answers, code, most = UNCHANGING[case]
    for path, answer in answers.items():
        site.put(path, answer)
    outcome = await download(zygote, tmp_path, site.url("/"))

    assert outcome.failure == code, outcome.events[-1]
    assert not code.retryable
    assert 0 < len(site.settled()) <= most


async def test_a_check_that_sets_a_cookie_and_leads_back_is_followed(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    def page(request: Request) -> Reply:
        return text('<video src="media/clip.mp4"></video>', "html") if "cookie" in request.headers else refreshing("b")

    site.put("/b", replace(refreshing("./"), more_headers=(("Set-Cookie", "seen=1; path=/"),)))
    outcome = await download(zygote, tmp_path, site.put("/", page))

    assert outcome.file.exists()


@pytest.mark.parametrize("status", [408, 425])
async def test_what_may_be_better_in_a_minute_is_the_origins_error(
    status: int, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.put("/clip.mp4", Reply(status)))

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/a.mp4", "http://127.0.0.1:1/a.mp4", "http://localhost:1/a.mp4"]
)
async def test_what_cannot_be_reached_is_a_failure_of_the_network(url: str, zygote: Zygote, tmp_path: Path) -> None:
    assert (await download(zygote, tmp_path, url)).failure == ErrorCode.NETWORK


@pytest.mark.parametrize("path", ["/hang", "/page?src=/hang/master.m3u8"])
async def test_a_site_that_answers_nothing_has_stalled(path: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """The page, or the list that its player names."""
    url = site.url(path.replace("=/", f"={site.base}/"))
    outcome = await download(zygote, tmp_path, url, stall_seconds=1)

    assert outcome.failure == ErrorCode.STALLED
    assert outcome.of("found") == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "rtmp://127.0.0.1/live", "data:text/html,x", "ytsearch:cats"])
async def test_no_other_scheme_gets_anything(url: str, zygote: Zygote, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, url)

    assert outcome.failure is not None
    assert outcome.of("found") == []


@pytest.mark.parametrize("path", ["/media/clip.mp4", "/hls/master.m3u8", "/dash/manifest.mpd"])
async def test_a_video_longer_than_allowed_is_refused(path: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Also where its length is known only once it is here."""
    outcome = await download(zygote, tmp_path, site.url(path), max_duration=2)

    assert outcome.failure == ErrorCode.TOO_LONG


@pytest.mark.parametrize(
    ("path", "fragments"),
    [
        ("/page-hls", "/hls/v720/"),
        ("/hls-lying/master.m3u8", "/hls-lying/v720/"),
        ("/page?src=dash/manifest.mpd", "/dash/"),
    ],
)
async def test_so_is_one_whose_fragments_say_so_before_any_is_fetched(
    path: str, fragments: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """Whatever the site says of the whole, or where it says nothing."""
    outcome = await download(zygote, tmp_path, site.url(path), max_duration=2)

    assert outcome.failure == ErrorCode.TOO_LONG, outcome.events[-1]
    asked = site.requests(fragments)
    assert asked
    assert {one.path.rpartition(".")[2] for one in asked} <= {"m3u8", "mpd"}


PLAYERS = MAX_VIDEOS // 2
"""each with its source"""


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/page?src=media/clip.mp4{(PLAYERS - 1) * '&src=x.mp4'}", None),
        (f"/page?src=media/clip.mp4{PLAYERS * '&src=x.mp4'}", ErrorCode.UNSUPPORTED_SITE),
        (f"/embeds/{MAX_VIDEOS + 1}", ErrorCode.UNSUPPORTED_SITE),
        (f"/variants/{MAX_VIDEOS}/master.m3u8", None),
        (f"/variants/{MAX_VIDEOS + 1}/master.m3u8", ErrorCode.UNSUPPORTED_STREAM),
    ],
    ids=["players", "too-many-players", "too-many-embeds", "variants", "too-many-variants"],
)
async def test_what_names_too_many_videos_is_given_up(
    path: str, code: ErrorCode | None, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url(path))

    assert outcome.failure == code, outcome.events[-1]
    assert bool(outcome.of("found")) is (code is None)


async def test_what_fails_once_is_fetched_all_the_same(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.url("/short/clip.mp4?times=2"))

    assert outcome.file.stat().st_size > 2 * 1024 * 1024


async def test_chunked_media_of_unknown_length(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.url("/chunked/clip.mp4"))

    assert outcome.file.stat().st_size > 2 * 1024 * 1024
    assert outcome.events[-1]["evidence"] is None  # the origin tells nothing by which it could be known again
    assert outcome.of("progress")[-1]["finished"] is True


QUALITY = '<QualityLevel Bitrate="1000" FourCC="H264" CodecPrivateData="00"/>'
OTHER_MANIFESTS = {
    "repeated": ("Manifest", f"{QUALITY}<c d='0' r='2000000000'/>", "protocol ism"),
    "qualities": ("Manifest", QUALITY * (MAX_VIDEOS + 1), "more than"),
    "flash": ("a.f4m", "<media href='a'/>" * (MAX_VIDEOS + 1), "more than"),
    "flash, itself": ("a.f4m", "<media href='a.f4m'/>", "lead to each other"),
    "elements": ("a.mpd", "<Period/>" * (MAX_ELEMENTS + 1), "elements"),
}
WITHIN = {
    "Manifest": '<SmoothStreamingMedia Duration="1"><StreamIndex Type="video" Url="{}">%s'
    "</StreamIndex></SmoothStreamingMedia>",
    "a.f4m": '<manifest xmlns="http://ns.adobe.com/f4m/2.0">%s</manifest>',
    "a.mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">%s</MPD>',
}


@pytest.mark.parametrize("case", OTHER_MANIFESTS)
async def test_a_manifest_of_too_much_is_given_up_before_it_is_listed(
    case: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    path, inner, reason = OTHER_MANIFESTS[case]
    outcome = await download(zygote, tmp_path, site.put(f"/a.ism/{path}", text(WITHIN[path] % inner, "text/xml")))

    assert not ErrorCode(str(outcome.failure)).retryable
    assert reason in outcome.events[-1]["detail"]
