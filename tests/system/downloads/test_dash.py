"""DASH manifests as packagers and sites write them: all that they name, and the main of it."""

import logging
from pathlib import Path
from typing import Any

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.downloader.dash import DashSegmentsFD
from yt_dlp.utils import DownloadError

from support import dash_manifests as manifests
from support import made
from support.children import Outcome, download
from support.dash_manifests import LOCK, audio, base, mpd, period, put_files, put_manifest, put_packaged, role, video
from support.ffmpeg import ffprobe
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import text
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.patches import dash_fragments
from vidferry_worker.child.patches.dash_fragments import check_size
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
V, A, B = base("v.mp4"), base("a.mp4"), base("b.mp4")
BLIND = role("1", "Accessibility", "urn:tva:metadata:cs:AudioPurposeCS:2007")


def kinds(outcome: Outcome) -> list[str]:
    return sorted(stream["codec_type"] for stream in ffprobe(outcome.file)["streams"])


def seconds(outcome: Outcome) -> float:
    return float(ffprobe(outcome.file)["format"]["duration"])


@pytest.mark.parametrize(
    "words",
    [
        ("-single_file", "1"),
        ("-single_file", "1", "-use_template", "0"),
        ("-use_timeline", "0"),
        ("-use_timeline", "1", "-use_template", "0"),
    ],
)
async def test_what_ffmpeg_packages_comes_whole(
    words: tuple[str, ...], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, put_packaged(site, *words))

    assert kinds(outcome) == ["audio", "video"]
    assert seconds(outcome) == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("1080-any", ["audio", "video"]),
        ("best-mp4", ["audio", "video"]),
        ("720-mkv", ["audio", "video"]),
        ("audio-any", ["audio"]),
        ("audio-m4a", ["audio"]),
    ],
)
async def test_untold_codecs_are_no_reason_to_leave_the_sound(
    fmt: str, expected: list[str], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    put_files(site)
    url = put_manifest(site, mpd(period(video(V, codecs=""), audio(A, codecs=""))))
    outcome = await download(zygote, tmp_path, url, fmt)

    assert kinds(outcome) == expected


async def test_untold_codecs_of_parts_are_told_by_their_kinds(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """The other sound is a commentary."""
    put_files(site)
    site.put("/both.mp4", File("both.mp4", made.clip()))
    parts = '<ContentComponent id="1" contentType="video"/><ContentComponent id="2" contentType="audio"/>'
    sets = (video(base("both.mp4"), codecs="", head=parts), audio(B, codecs="", head=role("commentary")))
    outcome = await download(zygote, tmp_path, put_manifest(site, mpd(period(*sets))))

    assert kinds(outcome) == ["audio", "video"]
    assert not site.requests("/b.mp4")


@pytest.mark.parametrize("more", ['duration="PT2H"', ""])
async def test_files_that_are_said_to_be_too_long_are_not_fetched(
    more: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    put_files(site)
    url = put_manifest(site, mpd(period(video(V), audio(A), more=more), seconds=7200))

    assert (await download(zygote, tmp_path, url)).failure == ErrorCode.TOO_LONG
    assert not site.requests("/v.mp4")


@pytest.mark.parametrize(
    "sets",
    [
        (audio(B, head=BLIND + role("alternate"), more='lang="en"', name="z"), audio(A, head=role("main"))),
        (audio(B, head=BLIND + role("main"), name="z"), audio(A)),
        (audio(B, head=role("description", "Accessibility"), name="z"), audio(A)),
        (audio(B, head=role("dub"), more='lang="de"', name="z"), audio(A, more='lang="fr"', head=role("main"))),
        (audio(B, head=role("commentary"), name="z"), audio(A, head=role("alternate"))),
        (audio(B, head="<Label>English (Audio Description)</Label>", name="z"), audio(A)),
        (audio(A, more='lang="fr"', name="a"), audio(B, more='lang="en"', name="z")),
        (audio(B, name="z"), audio(A, more='selectionPriority="2"')),
        (audio(B, head=BLIND, name="z"), audio(A, codecs="ec-3")),
    ],
)
async def test_the_main_sound_is_taken(sets: tuple[str, ...], zygote: Zygote, site: Site, tmp_path: Path) -> None:
    put_files(site)
    await download(zygote, tmp_path, put_manifest(site, mpd(period(video(V), *sets))))

    assert site.requests("/a.mp4")
    assert not site.requests("/b.mp4")


async def test_a_picture_with_a_signer_is_not_the_main_one(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    put_files(site)
    site.put("/s.mp4", File("s.mp4", manifests.picture_file()))
    sets = (video(base("s.mp4"), head=role("sign"), name="z"), video(V), audio(A))
    await download(zygote, tmp_path, put_manifest(site, mpd(period(*sets))))

    assert not site.requests("/s.mp4")


@pytest.mark.parametrize("fmt", ["1080-any", "best-any", "720-mp4", "best-mkv"])
@pytest.mark.parametrize("protected", [(video(V, head=LOCK), audio(A)), (video(V), audio(A, head=LOCK))])
async def test_what_is_protected_is_not_passed_over(
    protected: tuple[str, ...], fmt: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    put_files(site)
    outcome = await download(zygote, tmp_path, put_manifest(site, mpd(period(*protected))), fmt)

    assert outcome.failure == ErrorCode.DRM


async def test_clear_sound_will_do_where_sound_is_asked_for(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    put_files(site)
    url = put_manifest(site, mpd(period(video(V, head=LOCK), audio(A))))

    assert kinds(await download(zygote, tmp_path, url, "audio-any")) == ["audio"]


@pytest.mark.parametrize(
    ("head", "inner"),
    [
        (base("/{site}/lists/"), base("/{site}/media/")),
        (base("../media/"), ""),
        (base("http://nowhere.invalid/") + base("http://other.invalid/"), base("{root}/media/")),
        (base("{root}/media/x"), base("./")),
        (base("ftp://nowhere.invalid/") + base("{root}/media/"), ""),
    ],
)
async def test_addresses_are_joined_as_rfc_3986_has_it(
    head: str, inner: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    put_files(site, "/media")
    names = {"site": f"u/{site.token}", "root": site.base}
    sets = (video(V), audio(A))
    manifest = mpd(period(*sets, head=inner.format(**names)), head=head.format(**names))
    outcome = await download(zygote, tmp_path, put_manifest(site, manifest, "/lists/clip.mpd"))

    assert kinds(outcome) == ["audio", "video"]


def test_fragments_that_are_made_while_they_are_fetched_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of live streams, and of extractors that list them by themselves."""
    for name in ("_get_fragments", "download_and_append_fragments"):
        monkeypatch.setattr(DashSegmentsFD, name, getattr(DashSegmentsFD, name))
    dash_fragments.install()
    downloader = DashSegmentsFD(YoutubeDL({"quiet": True}), {})
    listed = [{"url": "https://site.example/1"}, {"url": "https://site.example/2"}]
    for fragments in (listed, lambda _: iter(listed)):
        named = downloader._get_fragments({"fragments": fragments}, {"fragment_index": 0}, None)

        assert [each["url"] for each in named] == [each["url"] for each in listed]


def test_bytes_that_are_not_those_asked_for_are_no_fragment() -> None:
    asked = {"byte_range": {"start": 4, "end": 10}}
    check_size(b"6bytes", asked)
    check_size(b"any", {})
    with pytest.raises(JobFailure) as failure:
        check_size(b"all of the file", asked)
    assert failure.value.code is ErrorCode.UNSUPPORTED_STREAM


@pytest.mark.parametrize(
    ("begun", "expected"), [("2020-01-01T00:00:00Z", None), ("2999-01-01T00:00:00Z", ErrorCode.LIVE)]
)
async def test_a_live_event_can_be_had_once_it_is_over(
    begun: str, expected: str | None, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    put_files(site)
    manifest = mpd(period(video(V), audio(A)), more=f'availabilityStartTime="{begun}" minimumUpdatePeriod="PT2S"')
    url = put_manifest(site, manifest.replace("static", "dynamic"))

    assert (await download(zygote, tmp_path, url)).failure == expected


async def test_a_manifest_of_too_many_segments_is_given_up(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    template = (
        '<SegmentTemplate media="s$Number$.m4s"><SegmentTimeline><S d="0" r="2000000000"/></SegmentTimeline>'
        "</SegmentTemplate>"
    )
    outcome = await download(zygote, tmp_path, put_manifest(site, mpd(period(video(template)))))

    assert outcome.failure == ErrorCode.UNSUPPORTED_STREAM


@pytest.mark.parametrize(
    ("sets", "asked"),
    [
        (period(video(V, codecs=""), audio(A, codecs="")), {"/v.mp4"}),
        (period(video(V), audio(B, head=BLIND, name="z"), audio(A, head=role("main"))), {"/v.mp4", "/b.mp4"}),
        (period(video(V, head=LOCK), audio(A)), {"/a.mp4"}),
        (period(video(V), audio(A)) + period(video(base("w.mp4")), audio(B)), {"/w.mp4", "/b.mp4"}),
    ],
    ids=["untold", "described", "protected", "periods"],
)
def test_yt_dlp_alone_still_takes_less_or_another(sets: str, asked: set[str], site: Site) -> None:
    put_files(site)
    found = alone(put_manifest(site, mpd(sets)))

    assert {each["url"].removeprefix(site.base) for each in found.get("requested_formats") or [found]} == asked


def test_yt_dlp_alone_still_stumbles_over_ranges(site: Site) -> None:
    with pytest.raises(DownloadError, match="sourceURL"):
        alone(put_packaged(site, "-single_file", "1"))


def alone(url: str) -> Any:
    """What yt-dlp finds and chooses by itself: nothing of ours is installed in this process."""
    with YoutubeDL({"quiet": True, "logger": logging.getLogger("yt-dlp"), "cachedir": False}) as ydl:
        return ydl.extract_info(url, download=False)


async def test_what_another_list_of_the_page_offers_is_taken_before_what_is_unfit(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    """A manifest that is told in another document, next to a file."""
    put_files(site)
    site.put("/clip.mp4", File("clip.mp4", made.clip()))
    elsewhere = '<Period xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="https://ads.example/1"/>'
    sources = [put_manifest(site, mpd(elsewhere)), site.url("/clip.mp4")]
    page = "".join(f'<source src="{each}">' for each in sources)
    outcome = await download(
        zygote, tmp_path, site.put("/page", text(f"<title>Two</title><video>{page}</video>", "html"))
    )

    assert kinds(outcome) == ["audio", "video"]
    assert site.requests("/clip.mp4")
