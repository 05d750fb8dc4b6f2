"""What CODECS tells of sound that is a list of its own."""

from pathlib import Path

import pytest

from support import made
from support.children import download
from support.command_line import yt_dlp
from support.ffmpeg import ffprobe
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import text
from vidferry_worker.child.patches.hls_audio_codecs import find_audio_codecs
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
HLS = "application/vnd.apple.mpegurl"
CMAF = (
    "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4",
    "-hls_segment_filename", "s%d.m4s",
)  # fmt: skip


def media(group: str, address: str = "", more: str = "") -> str:
    uri = f',URI="{address}"' if address else ""
    return f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{group}",NAME="{group}",DEFAULT=YES{more}{uri}\n'


def variant(codecs: str, group: str, address: str = "video.m3u8") -> str:
    named = f',CODECS="{codecs}"' if codecs else ""
    return f'#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=320x240{named},AUDIO="{group}"\n{address}\n'


@pytest.mark.parametrize(
    ("playlist", "expected"),
    [
        (media("a", "a.m3u8") + variant("avc1.64001f,mp4a.40.2", "a"), {"a.m3u8": "mp4a.40.2"}),
        (variant("MP4A.40.2, avc1.64001f", "a") + media("a", "a.m3u8"), {"a.m3u8": "mp4a.40.2"}),
        (
            media("a", "a.m3u8") + media("b", "b.m3u8") + variant("avc1,mp4a.40.5", "a") + variant("hvc1,ec-3", "b"),
            {"a.m3u8": "mp4a.40.5", "b.m3u8": "ec-3"},
        ),
        (
            media("a", "en.m3u8") + media("a", "fr.m3u8") + variant("vp09,Opus", "a"),
            {"en.m3u8": "opus", "fr.m3u8": "opus"},
        ),
        (
            media("a", "a.m3u8") + variant("avc1,mp4a.40.2,ac-3", "a") + variant("avc1,mp4a.40.5", "a"),
            {"a.m3u8": "mp4a.40.2"},
        ),
        (media("a", "a.m3u8") + variant("avc1,mp4a.40.2,ac-3", "a"), {}),
        (media("a", "a.m3u8") + variant("avc1,mp4a.40.2", "a") + variant("avc1,ac-3", "a"), {}),
        (media("a", "x.m3u8") + media("b", "x.m3u8") + variant("avc1,mp4a.40.2", "a") + variant("avc1,ac-3", "b"), {}),
        (media("a", "a.m3u8") + variant("avc1,mp4a.40.2", "a") + variant("", "a"), {"a.m3u8": "mp4a.40.2"}),
        (media("a", "a.m3u8") + variant("avc1.64001f", "a"), {}),
        (media("a", "a.m3u8") + variant("", "a"), {}),
        (media("a") + variant("avc1,mp4a.40.2", "a"), {}),
        (media("a", "a.m3u8") + variant("avc1,mp4a.40.2", "another"), {}),
    ],
)  # fmt: skip
def test_what_all_variants_of_a_group_name(playlist: str, expected: dict[str, str]) -> None:
    assert find_audio_codecs(f"#EXTM3U\n{playlist}") == expected


def put_film(site: Site) -> str:
    """HEVC and H.264 of one size, AAC and AC-3 apart; the address of the master playlist."""
    shared = made.picture(seconds=1)
    streams = {
        "h265": (*shared, "-c:v", "libx265", "-x265-params", "log-level=error", "-tag:v", "hvc1"),
        "h264": (*shared, *made.X264),
        "aac": (*made.sound(seconds=1), *made.AAC),
        "ac3": (*made.sound(seconds=1), "-c:a", "ac3"),
    }
    for name, words in streams.items():
        source = made.folder(*words, f"{name}.mp4") / f"{name}.mp4"
        for path in made.folder("-i", str(source), *CMAF, "list.m3u8").iterdir():
            site.put(f"/{name}/{path.name}", File(path.name, path.read_bytes(), media_type="video/mp4"))
    return site.put(
        "/master.m3u8",
        text(
            "#EXTM3U\n"
            + media("ac3", "ac3/list.m3u8") + media("aac", "aac/list.m3u8")
            + variant("hvc1.1.6.L60.90,ac-3", "ac3", "h265/list.m3u8")
            + variant("hvc1.1.6.L60.90,mp4a.40.2", "aac", "h265/list.m3u8")
            + variant("avc1.42c00d,ac-3", "ac3", "h264/list.m3u8"),
            HLS,
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fmt", "expected"), [("1080-any", ["h264", "aac"]), ("audio-any", ["aac"]), ("audio-m4a", ["aac"])]
)
async def test_what_plays_everywhere_is_found(
    fmt: str, expected: list[str], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, put_film(site), fmt)

    assert sorted(each["codec_name"] for each in ffprobe(outcome.file)["streams"]) == sorted(expected)


async def test_yt_dlp_leaves_the_codec_untold(site: Site, tmp_path: Path) -> None:
    told = yt_dlp(tmp_path, "-f", "ba[acodec^=mp4a]", put_film(site))

    assert "Requested format is not available" in told.stderr
