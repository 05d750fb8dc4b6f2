"""Each requested format, as a file that ffprobe has looked into."""

from pathlib import Path

import pytest

from support.children import Outcome, download
from support.ffmpeg import ffprobe
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
HLS, DASH, MP4, WEBM = "/hls/master.m3u8", "/dash/manifest.mpd", "/media/clip.mp4", "/media/clip.webm"
UNTOLD = "/hls-untold/master.m3u8"


def described(outcome: Outcome) -> tuple[str, str, list[str]]:
    """The file's ending, its container as ffprobe names it, and its codecs."""
    report = ffprobe(outcome.file)
    codecs = sorted(stream["codec_name"] for stream in report["streams"])
    return outcome.file.suffix, report["format"]["format_name"].split(",")[0], codecs


@pytest.mark.parametrize(
    ("path", "fmt", "expected"),
    [
        (HLS, "1080-any", (".mp4", "mov", ["aac", "h264"])),
        (HLS, "720-mkv", (".mkv", "matroska", ["aac", "h264"])),
        (HLS, "audio-m4a", (".m4a", "mov", ["aac"])),
        (HLS, "audio-mp3", (".mp3", "mp3", ["mp3"])),
        (UNTOLD, "1080-any", (".mp4", "mov", ["aac", "h264"])),
        (UNTOLD, "audio-any", (".m4a", "mov", ["aac"])),
        (DASH, "1080-any", (".mp4", "mov", ["aac", "h264"])),
        (DASH, "audio-m4a", (".m4a", "mov", ["aac"])),
        (MP4, "1080-any", (".mp4", "mov", ["aac", "h264"])),
        (MP4, "best-mkv", (".mkv", "matroska", ["aac", "h264"])),
        (MP4, "audio-any", (".m4a", "mov", ["aac"])),
        (MP4, "audio-mp3", (".mp3", "mp3", ["mp3"])),
        (WEBM, "1080-webm", (".webm", "matroska", ["opus", "vp9"])),
        (WEBM, "1080-mp4", (".mp4", "mov", ["opus", "vp9"])),
        (WEBM, "audio-any", (".opus", "ogg", ["opus"])),
    ],
)
async def test_a_format_that_the_source_has(
    path: str, fmt: str, expected: tuple[str, str, list[str]], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url(path), fmt)

    assert described(outcome) == expected
    assert float(ffprobe(outcome.file)["format"]["duration"]) == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize(("path", "fmt"), [(HLS, "1080-webm"), (WEBM, "audio-m4a")])
async def test_a_format_that_the_source_lacks(path: str, fmt: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.url(path), fmt)

    assert outcome.failure == ErrorCode.FORMAT_UNAVAILABLE, outcome.events[-1]


async def test_the_best_of_at_most_so_many_lines(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.url(HLS), "480-any")

    assert [stream["height"] for stream in ffprobe(outcome.file)["streams"] if stream["codec_type"] == "video"] == [360]


async def test_streams_are_announced_and_reported_one_by_one(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.url(HLS))

    (found,) = outcome.of("found")
    assert len(found["streams"]) == 2
    finished = [event["stream"] for event in outcome.of("progress") if event["finished"]]
    assert sorted(finished) == [0, 1]
    assert {event["fragments"] for event in outcome.of("progress") if not event["finished"]} == {6}
