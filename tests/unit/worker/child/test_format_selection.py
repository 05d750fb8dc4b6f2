"""Which of a source's formats a request is given."""

from pathlib import Path
from typing import Any

import pytest
from yt_dlp import YoutubeDL

from support import made
from support.children import download
from support.command_line import yt_dlp
from support.ffmpeg import ffprobe
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import text
from vidferry_common.contract.formats import Format
from vidferry_worker.child import format_selection, options
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
HLS = "application/vnd.apple.mpegurl"
AVC, HEVC, VP9, AV1 = "avc1.640028", "hvc1.1.6.L120.90", "vp09.00.40.08", "av01.0.08M.08"
AAC, MP3, AC3, EC3, OPUS = "mp4a.40.2", "mp4a.40.34", "ac-3", "ec-3", "opus"


def both(name: str, size: str = "", video: str | None = AVC, audio: str | None = AAC, **more: Any) -> dict[str, Any]:
    """A format of pictures and sound; its size as 1920x1080, 1920x or x1080."""
    width, _, height = size.partition("x")
    told = {"width": int(width or 0) or None, "height": int(height or 0) or None, "vcodec": video, "acodec": audio}
    return {"format_id": name, "url": f"https://example.invalid/{name}", "ext": "mp4", "tbr": 1000, **told, **more}


def picture(name: str, size: str = "", video: str | None = AVC, **more: Any) -> dict[str, Any]:
    return both(name, size, video, "none", **more)


def sound(name: str, audio: str | None = AAC, **more: Any) -> dict[str, Any]:
    return both(name, "", "none", audio, ext="m4a", **more)


def chosen(fmt: str, *formats: dict[str, Any]) -> str | None:
    """What is chosen of these, as "picture+sound"; None where nothing is."""
    asked = Format.parse(fmt)
    with YoutubeDL({"quiet": True}) as ydl:
        ydl.sort_formats({"formats": (given := list(formats))})
        select = format_selection.limit_selector(
            ydl.build_format_selector(options.format_selector(asked)), asked.quality.lines
        )
        found = ydl._select_formats(given, select)
    return found[0]["format_id"] if found else None


def ladder(*sizes: str, **more: Any) -> list[dict[str, Any]]:
    return [both(size, size, **more) for size in sizes]


UPRIGHT = ladder("360x640", "720x1280", "1080x1920", "1440x2560")
FILM = ladder("640x266", "1280x534", "1920x800", "3840x1600")


@pytest.mark.parametrize(
    ("fmt", "formats", "expected"),
    [
        ("1080-any", UPRIGHT, "1080x1920"),
        ("1080-mp4", UPRIGHT, "1080x1920"),
        ("1080-mkv", UPRIGHT, "1080x1920"),
        ("720-any", UPRIGHT, "720x1280"),
        ("480-any", UPRIGHT, "360x640"),
        ("best-any", UPRIGHT, "1440x2560"),
        ("1080-webm", ladder("360x640", "1080x1920", "2160x3840", video=VP9, audio=OPUS, ext="webm"), "1080x1920"),
        ("1080-any", FILM, "1920x800"),
        ("720-any", FILM, "1280x534"),
        ("1080-any", ladder("1440x1080", "1920x1440"), "1440x1080"),
        ("720-any", ladder("720x720", "1080x1080"), "720x720"),
        ("720-any", ladder("x360", "x720", "x1080"), "x720"),
        ("720-any", ladder("640x", "1280x", "1920x"), "1280x"),
        ("360-any", [picture("p", "1080x1920"), picture("q", "360x640"), sound("s")], "q+s"),
    ],
)
def test_a_quality_is_the_short_side(fmt: str, formats: list[dict[str, Any]], expected: str) -> None:
    assert chosen(fmt, *formats) == expected


@pytest.mark.parametrize(
    ("fmt", "formats", "expected"),
    [
        ("360-any", ladder("1920x1080"), "1920x1080"),
        ("360-mp4", ladder("1920x1080"), "1920x1080"),
        ("360-any", [picture("p", "1080x1920"), sound("s")], "p+s"),
        ("360-any", [picture("p", "1080x1920")], "p"),
        ("360-any", ladder("3840x2160", "1280x720", "1920x1080"), "1280x720"),
        ("360-webm", [*ladder("640x360"), *ladder("1920x1080", video=VP9, audio=OPUS)], "1920x1080"),
        ("360-webm", ladder("640x360", "1920x1080"), None),
        ("360-any", [both("untold"), *ladder("1920x1080")], "untold"),
        ("360-any", [both("only")], "only"),
        ("360-any", [sound("song")], "song"),
    ],
)
def test_a_quality_alone_leaves_no_video_without_a_format(
    fmt: str, formats: list[dict[str, Any]], expected: str | None
) -> None:
    """As with yt-dlp's -S res:, the smallest is taken of what is too large."""
    assert chosen(fmt, *formats) == expected


@pytest.mark.parametrize(
    ("fmt", "formats", "expected"),
    [
        ("1080-any", [picture("h265", video=HEVC), picture("h264"), sound("aac")], "h264+aac"),
        ("1080-any", [picture("h265", video=HEVC), picture("h264"), sound("untold", None)], "h264+untold"),
        ("1080-any", [picture("h265", video=HEVC), picture("h264"), sound("ac3", AC3)], "h264+ac3"),
        ("1080-any", [picture("h265", video=HEVC), picture("h264")], "h264"),
        ("1080-any", [both("h265", video=HEVC, audio=None), both("h264", audio=None)], "h264"),
        ("1080-any", [picture("h264"), sound("ac3", AC3, audio_channels=6), sound("aac")], "h264+aac"),
        ("1080-any", [picture("h264"), sound("ec3", EC3), sound("aac"), sound("opus", OPUS)], "h264+aac"),
        ("1080-any", [picture("h264"), sound("mp3", MP3, tbr=9000), sound("aac")], "h264+aac"),
        ("1080-any", [picture("vp9", video=VP9), picture("h264"), sound("opus", OPUS)], "h264+opus"),
        ("1080-any", [both("whole", "1920x1080"), picture("apart", "1280x720"), sound("aac")], "whole"),
        ("best-any", [picture("h265", video=HEVC), picture("h264"), sound("aac")], "h265+aac"),
        ("1080-mp4", [picture("h265", video=HEVC), picture("h264"), sound("aac")], "h264+aac"),
        ("1080-mkv", [picture("av1", video=AV1), picture("h264"), sound("aac")], "av1+aac"),
        ("audio-any", [sound("opus", OPUS), sound("ac3", AC3), sound("aac")], "aac"),
        ("audio-any", [sound("opus", OPUS), sound("ac3", AC3)], "opus"),
        ("audio-m4a", [sound("opus", OPUS), sound("aac"), picture("h264")], "aac"),
        ("audio-m4a", [sound("opus", OPUS), both("whole")], "whole"),
        ("audio-m4a", [sound("opus", OPUS), picture("h264")], None),
        ("audio-m4a", [sound("opus", OPUS), both("vp9", video=VP9, audio=OPUS)], None),
    ],
)
def test_what_plays_everywhere_is_taken_where_there_is_some(
    fmt: str, formats: list[dict[str, Any]], expected: str | None
) -> None:
    assert chosen(fmt, *formats) == expected


@pytest.mark.parametrize(
    ("fmt", "formats", "expected"),
    [
        ("best-webm", [picture("vp9", video=VP9), sound("aac")], None),
        ("best-webm", [picture("vp9", video=VP9)], "vp9"),
        ("best-mp4", [picture("h264"), sound("vorbis", "vorbis")], None),
        ("best-mp4", [picture("h264")], "h264"),
        ("audio-any", [picture("h264")], "h264"),
        ("audio-m4a", [picture("h264")], "h264"),
        ("1080-mp4", [both("mov", video=None, audio=None, ext="mov")], "mov"),
        ("1080-webm", [both("mkv", video=None, audio=None, ext="mkv")], "mkv"),
        ("1080-webm", [both("mov", video=None, audio=None, ext="mov")], None),
    ],
)
def test_a_container_is_given_picture_and_sound_or_nothing(
    fmt: str, formats: list[dict[str, Any]], expected: str | None
) -> None:
    assert chosen(fmt, *formats) == expected


@pytest.mark.parametrize("rank", [{"language_preference": -10}, {"source_preference": -2}])
def test_a_codec_does_not_overrule_the_main_sound(rank: dict[str, Any]) -> None:
    main, described = sound("main", AC3), sound("described", **rank)
    assert chosen("1080-any", picture("h264"), main, described) == "h264+main"
    assert chosen("audio-any", main, described) == "main"
    assert chosen("audio-m4a", main, described) == "described"


@pytest.mark.parametrize(
    ("language", "preference", "expected"),
    [("en", -1, "aac"), ("en", -2, "ac3"), ("fr", -1, "ac3")],
)
def test_another_codec_of_the_main_sound_is_no_other_sound(language: str, preference: float, expected: str) -> None:
    """As where a manifest prefers AC-3 by a selectionPriority."""
    preferred = sound("ac3", AC3, language="en", language_preference=-0.98)
    aac = sound("aac", language=language, language_preference=preference)
    assert chosen("1080-any", picture("h264"), preferred, aac) == f"h264+{expected}"


def put_ladder(site: Site, *sizes: str) -> str:
    """A master playlist of these, each with one segment; its address."""
    master = "#EXTM3U\n"
    for rate, size in enumerate(sizes, 1):
        segment = made.clip("clip.ts", size, 440, 1)
        site.put(f"/{size}.ts", File("clip.ts", segment))
        site.put(
            f"/{size}.m3u8", text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{size}.ts\n#EXT-X-ENDLIST\n", HLS)
        )
        codecs = f'CODECS="{AVC},{AAC}"'
        master += f"#EXT-X-STREAM-INF:BANDWIDTH={rate}00000,RESOLUTION={size},{codecs}\n{size}.m3u8\n"
    return site.put("/master.m3u8", text(master, HLS))


@pytest.mark.parametrize(("fmt", "expected"), [("1080-any", (1080, 1920)), ("720-mp4", (720, 1280))])
async def test_a_portrait_ladder(
    fmt: str, expected: tuple[int, int], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    address = put_ladder(site, "360x640", "720x1280", "1080x1920")

    outcome = await download(zygote, tmp_path, address, fmt)

    (video,) = [each for each in ffprobe(outcome.file)["streams"] if each["codec_type"] == "video"]
    assert (video["width"], video["height"]) == expected


@pytest.mark.parametrize(("wanted", "height"), [(("-f", "b[height<=?1080]"), 640), (("-S", "res:1080"), 1920)])
async def test_yt_dlp_filters_by_height_and_sorts_by_the_short_side(
    wanted: tuple[str, ...], height: int, site: Site, tmp_path: Path
) -> None:
    address = put_ladder(site, "360x640", "1080x1920")

    told = yt_dlp(tmp_path, "--print", "height", *wanted, address)

    assert int(told.stdout) == height, told.stderr
