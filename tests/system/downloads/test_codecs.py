"""Codecs of today, fetched as one file, as HLS and as DASH: they end in containers that hold them."""

from dataclasses import replace
from pathlib import Path

import pytest

from support import ffmpeg
from support.children import Outcome, download
from support.origin.site import Site
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.upload import file_types

pytestmark = pytest.mark.anyio
HOLDS = {
    ".mp4": {"h264", "hevc", "vp9", "av1", "aac", "opus"},
    ".m4a": {"aac"},
    ".webm": {"vp9", "av1", "opus"},
    ".mkv": {"h264", "hevc", "vp9", "av1", "aac", "opus"},
    ".opus": {"opus"},
}
VIDEO = {"h264", "hevc", "vp9", "av1"}
NAMED = {".mp4": "mov", ".m4a": "mov", ".webm": "matroska", ".mkv": "matroska", ".opus": "ogg"}


def looked_into(outcome: Outcome) -> tuple[str, set[str]]:
    """The file's ending and its codecs, once it is clear that what is told of it fits the ending."""
    report, ending = ffmpeg.ffprobe(outcome.file), outcome.file.suffix
    codecs = {stream["codec_name"] for stream in report["streams"]}
    assert report["format"]["format_name"].split(",")[0] == NAMED[ending]
    assert codecs <= HOLDS[ending], f"{ending} with {codecs}"
    assert bool(outcome.description.video) is bool(codecs & VIDEO)
    with outcome.file.open("rb") as source:
        unnamed = replace(outcome.description, file="unnamed")
        assert file_types.detect_file_type(unnamed, file_types.read_head(source)).extension == ending[1:]
    assert float(report["format"]["duration"]) == pytest.approx(2, abs=0.5)
    return ending, codecs


@pytest.mark.parametrize(
    ("path", "fmt", "expected"),
    [
        ("hevc.mp4", "1080-any", (".mp4", {"hevc", "aac"})),
        ("hevc.mp4", "best-mp4", (".mp4", {"hevc", "aac"})),
        ("hevc.mp4", "best-mkv", (".mkv", {"hevc", "aac"})),
        ("av1.webm", "1080-any", (".webm", {"av1", "opus"})),
        ("av1.webm", "best-webm", (".webm", {"av1", "opus"})),
        ("av1.webm", "audio-any", (".opus", {"opus"})),
        ("hls-hevc/master.m3u8", "1080-any", (".mp4", {"hevc", "aac"})),
        ("hls-hevc/master.m3u8", "best-mp4", (".mp4", {"hevc", "aac"})),
        ("hls-av1/master.m3u8", "best-mp4", (".mp4", {"av1", "opus"})),
        ("hls-av1/master.m3u8", "best-mkv", (".mkv", {"av1", "opus"})),
        ("hls-vp9/master.m3u8", "best-mp4", (".mp4", {"vp9", "opus"})),
        ("dash-vp9/manifest.mpd", "1080-any", (".webm", {"vp9", "opus"})),
        ("dash-vp9/manifest.mpd", "best-webm", (".webm", {"vp9", "opus"})),
        ("dash-vp9/manifest.mpd", "best-mp4", (".mp4", {"vp9", "opus"})),
        ("dash-vp9/manifest.mpd", "audio-any", (".opus", {"opus"})),
        ("dash-av1/manifest.mpd", "best-any", (".webm", {"av1", "opus"})),
        ("dash-hevc/manifest.mpd", "best-any", (".mp4", {"hevc", "aac"})),
    ],
)
async def test_a_codec_ends_in_a_container_that_holds_it(
    path: str, fmt: str, expected: tuple[str, set[str]], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url(f"/codecs/{path}"), fmt)

    assert looked_into(outcome) == expected
