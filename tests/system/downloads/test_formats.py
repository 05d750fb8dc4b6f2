"""Each requested format, of sources of each kind and of codecs of today, as a file that ffprobe has looked into."""

from dataclasses import replace
from pathlib import Path

import pytest

from support import ffmpeg
from support.children import Outcome, download
from support.ffmpeg import ffprobe
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.upload import file_types

pytestmark = pytest.mark.anyio
HLS, DASH, MP4, WEBM = "/hls/master.m3u8", "/dash/manifest.mpd", "/media/clip.mp4", "/media/clip.webm"
UNTOLD = "/hls-untold/master.m3u8"
CONTAINERS = {
    ".mp4": "mov", ".m4a": "mov", ".webm": "matroska", ".mkv": "matroska", ".opus": "ogg", ".mp3": "mp3",
}  # fmt: skip


def looked_into(outcome: Outcome) -> tuple[str, set[str]]:
    """The file's ending and its codecs; its container, and what its child tells of it, fit the ending."""
    report, ending = ffprobe(outcome.file), outcome.file.suffix
    codecs = {stream["codec_name"] for stream in report["streams"]}
    assert report["format"]["format_name"].split(",")[0] == CONTAINERS[ending]
    assert outcome.description.video is (len(codecs) == 2)
    with outcome.file.open("rb") as source:
        unnamed = replace(outcome.description, file="unnamed")
        assert file_types.detect_file_type(unnamed, file_types.read_head(source)).extension == ending[1:]
    return ending, codecs


@pytest.mark.parametrize(
    ("path", "fmt", "expected"),
    [
        (HLS, "1080-any", (".mp4", {"h264", "aac"})),
        (HLS, "720-mkv", (".mkv", {"h264", "aac"})),
        (HLS, "audio-m4a", (".m4a", {"aac"})),
        (HLS, "audio-mp3", (".mp3", {"mp3"})),
        (UNTOLD, "1080-any", (".mp4", {"h264", "aac"})),
        (UNTOLD, "audio-any", (".m4a", {"aac"})),
        (DASH, "1080-any", (".mp4", {"h264", "aac"})),
        (DASH, "audio-m4a", (".m4a", {"aac"})),
        (MP4, "1080-any", (".mp4", {"h264", "aac"})),
        (MP4, "best-mkv", (".mkv", {"h264", "aac"})),
        (MP4, "audio-any", (".m4a", {"aac"})),
        (MP4, "audio-mp3", (".mp3", {"mp3"})),
        (WEBM, "1080-webm", (".webm", {"vp9", "opus"})),
        (WEBM, "1080-mp4", (".mp4", {"vp9", "opus"})),
        (WEBM, "audio-any", (".opus", {"opus"})),
        ("/codecs/hevc.mp4", "best-mkv", (".mkv", {"hevc", "aac"})),
        ("/codecs/hls-hevc/master.m3u8", "1080-any", (".mp4", {"hevc", "aac"})),
        ("/codecs/hls-av1/master.m3u8", "best-mkv", (".mkv", {"av1", "opus"})),
        ("/codecs/hls-vp9/master.m3u8", "best-mp4", (".mp4", {"vp9", "opus"})),
        ("/codecs/dash-vp9/manifest.mpd", "1080-any", (".webm", {"vp9", "opus"})),
        ("/codecs/dash-av1/manifest.mpd", "best-any", (".webm", {"av1", "opus"})),
    ],
)
async def test_a_format_that_the_source_has(
    path: str, fmt: str, expected: tuple[str, set[str]], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url(path), fmt)

    assert looked_into(outcome) == expected
    assert ffmpeg.duration(outcome.file) == pytest.approx(2 if path.startswith("/codecs") else 6, abs=0.5)


@pytest.mark.parametrize(
    ("path", "fmt", "offered"), [(HLS, "1080-webm", ([720, 360], ["mp4"])), (WEBM, "audio-m4a", ([], ["webm"]))]
)
async def test_a_format_that_the_source_lacks(
    path: str, fmt: str, offered: tuple[list[int], list[str]], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url(path), fmt)

    assert outcome.failure == ErrorCode.FORMAT_UNAVAILABLE, outcome.events[-1]
    assert (outcome.events[-1]["lines"], outcome.events[-1]["containers"]) == offered


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
