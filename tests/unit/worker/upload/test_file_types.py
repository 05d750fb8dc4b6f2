"""What files of all containers are called outside, by what ffprobe says of them and whatever they begin with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import ffmpeg, made
from support.children import download
from support.made import AAC, X264, picture, sound
from support.origin.files import File
from support.origin.site import Site
from support.origin.wire import text
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import probing
from vidferry_worker.child.patches.subprocesses import DEMUXERS, add_guard
from vidferry_worker.children import text_content
from vidferry_worker.children.event_parser import parse_event
from vidferry_worker.children.media_types import MEDIA_TYPES
from vidferry_worker.children.protocol import Done, FileDescription
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.upload.file_types import FileType, detect_file_type, read_head

pytestmark = pytest.mark.anyio
V, A = picture(), sound()
HTML = b"<!DOCTYPE html><title>x</title>"
ID3 = b"ID3\x03\0\0\0\0\0\x0fTIT2\0\0\0\x05\0\0\0Song"


def told(path: Path) -> FileDescription:
    """What a child tells of a file, asked as children ask."""
    command = [str(ffmpeg.folder() / "ffprobe"), "-v", "error", "-show_format", "-show_streams", "-of", "json"]
    report = json.loads(ffmpeg.finish(add_guard([*command, str(path)])).stdout)
    return probing.parse_probe_report(report).describe(path.name)


def kind_of_file(path: Path) -> tuple[str, str]:
    with path.open("rb") as source:
        kind = detect_file_type(told(path), read_head(source))
    return kind.media_type, kind.extension


def without_brand(data: bytes, instead: bytes) -> bytes:
    """MP4 or QuickTime whose first box says nothing."""
    size = int.from_bytes(data[:4])
    return data[:4] + instead + bytes(size - 8) + data[size:]


@pytest.mark.parametrize(
    ("name", "words", "media_type"),
    [
        ("a.mp4", (*V, *A, *X264, *AAC), "video/mp4"),
        ("a.m4v", (*V, *X264, "-f", "mp4"), "video/mp4"),
        ("a.m4a", (*A, *AAC), "audio/mp4"),
        ("a.mov", (*V, *A, *X264, *AAC), "video/quicktime"),
        ("a.3gp", (*V, *X264), "video/3gpp"),
        ("a.3g2", (*V, *X264), "video/3gpp2"),
        ("a.webm", (*V, *A, "-c:v", "libvpx", "-c:a", "libopus"), "video/webm"),
        ("a.mkv", (*V, *A, "-c:v", "libvpx", "-c:a", "libopus"), "video/x-matroska"),
        ("a.mka", (*A, *AAC), "audio/x-matroska"),
        ("a.ts", (*V, *X264), "video/mp2t"),
        ("a.m2ts", (*V, *X264), "video/mp2t"),
        ("a.mpg", (*V, "-r", "25", "-c:v", "mpeg2video"), "video/mpeg"),
        ("a.m2v", (*V, "-r", "25", "-c:v", "mpeg2video"), "video/mpeg"),
        ("a.flv", (*V, *X264), "video/x-flv"),
        ("a.avi", V, "video/x-msvideo"),
        ("a.ogg", (*A, "-c:a", "flac"), "audio/ogg"),
        ("a.opus", A, "audio/ogg"),
        ("a.wmv", V, "video/x-ms-wmv"),
        ("a.asf", V, "video/x-ms-asf"),
        ("a.wma", A, "audio/x-ms-wma"),
        ("a.mp3", A, "audio/mpeg"),
        ("a.mp2", A, "audio/mpeg"),
        ("a.aac", A, "audio/aac"),
        ("a.flac", A, "audio/flac"),
        ("a.wav", A, "audio/wav"),
        ("a.w64", A, "audio/x-w64"),
        ("a.aiff", A, "audio/aiff"),
        ("a.aif", (*A, "-f", "aiff"), "audio/aiff"),
        ("a.caf", A, "audio/x-caf"),
        ("a.ac3", A, "audio/ac3"),
        ("a.eac3", A, "audio/eac3"),
        ("a.dts", (*A, "-strict", "-2"), "audio/vnd.dts"),
        ("a.thd", (*A, "-strict", "-2"), "audio/vnd.dolby.mlp"),
        ("a.h264", (*V, *X264), "video/h264"),
        ("a.hevc", (*V, "-c:v", "libx265"), "video/h265"),
        ("a.m4v", (*V, "-c:v", "mpeg4", "-f", "m4v"), "video/mp4v-es"),
        ("a.ivf", (*V, "-c:v", "libvpx"), "video/x-ivf"),
        ("a.obu", (*V, "-c:v", "libsvtav1"), "video/av1"),
        ("a.dv", (*V, "-s", "720x576", "-r", "25", "-pix_fmt", "yuv420p"), "video/dv"),
        ("a.mxf", (*V, "-r", "25", "-c:v", "mpeg2video"), "application/mxf"),
        ("a.nut", V, "video/x-nut"),
        ("a.rm", V, "application/vnd.rn-realmedia"),
        ("a.wv", A, "audio/x-wavpack"),
        ("a.tta", A, "audio/x-tta"),
        ("a.au", A, "audio/basic"),
        ("a.gif", V, "image/gif"),
    ],
)
def test_a_file_of_each_container(name: str, words: tuple[str, ...], media_type: str) -> None:
    path = made.folder(*words, name) / name
    assert kind_of_file(path) == (media_type, name.partition(".")[2])


def test_each_container_that_ffmpeg_may_read_has_a_type() -> None:
    assert {*DEMUXERS} - {"webm"} == {kind for kind in MEDIA_TYPES if "/" not in kind}  # Matroska's demuxer reads both


@pytest.mark.parametrize(
    "media_type", sorted({each for kinds in MEDIA_TYPES.values() for one in kinds for each in one.values()})
)
def test_no_type_is_one_that_a_browser_runs(media_type: str) -> None:
    applications = {"application/mxf", "application/vnd.rn-realmedia"}
    assert media_type.startswith(("video/", "audio/")) or media_type in {"image/gif", *applications}


def mp4() -> bytes:
    return made.clip("a.mp4")


def mov() -> bytes:
    return made.clip("a.mov")


def ts() -> bytes:
    return made.clip("a.ts")


def tone(name: str) -> bytes:
    return made.file(name, *A)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("x.mov", lambda: without_brand(mov(), b"wide"), ("video/quicktime", "mov")),
        ("x.mov", lambda: without_brand(mov(), b"free"), ("video/quicktime", "mov")),
        ("x.mov", lambda: without_brand(mov(), b"skip"), ("video/quicktime", "mov")),
        ("x.mov", lambda: mov()[28:], ("video/quicktime", "mov")),  # mdat
        ("x.bin", lambda: b"\0\0\0\x08wide" + mov(), ("video/quicktime", "mov")),
        ("x.mp4", lambda: without_brand(mp4(), b"uuid"), ("video/mp4", "mp4")),
        ("x.mp4", lambda: mp4()[40:], ("video/mp4", "mp4")),  # mdat
        ("x.mp4", lambda: b"\0\0\0\x0cfree\0\0\0\0" + mp4(), ("video/mp4", "mp4")),
        ("x.flac", lambda: ID3 + tone("a.flac"), ("audio/flac", "flac")),
        ("x.mp3", lambda: ID3 + tone("a.aac"), ("audio/aac", "aac")),
        ("x.mp3", lambda: bytes(4096) + tone("a.mp3"), ("audio/mpeg", "mp3")),
        ("x.ts", lambda: ts()[100:], ("video/mp2t", "ts")),
        ("x.mp4", ts, ("video/mp2t", "ts")),
        ("x.mp3", lambda: tone("a.wav"), ("audio/wav", "wav")),
        ("x.m4a", lambda: tone("a.aac"), ("audio/aac", "aac")),
    ],
)
def test_what_a_file_begins_with_and_is_named_is_not_what_it_is(
    name: str, data: Callable[[], bytes], expected: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data())
    assert kind_of_file(tmp_path / name) == expected


def described(**changes: Any) -> FileDescription:
    told = {"file": "media.mp4", "container": "mov", "brand": "isom", "codecs": ["h264"], "video": True, **changes}
    done = parse_event({"event": "done", **told})
    assert isinstance(done, Done)
    return done.description


@pytest.mark.parametrize(
    ("changes", "start", "expected"),
    [
        ({"video": False}, b"", FileType("audio/mp4", "m4a")),
        ({"brand": "M4A ", "file": "media.m4b", "video": False}, b"", FileType("audio/mp4", "m4b")),
        ({"brand": "mjp2"}, b"", FileType("video/mj2", "mj2")),
        ({"container": "ogg", "codecs": ["speex"], "file": "a.spx", "video": False}, b"", FileType("audio/ogg", "spx")),
        ({"container": "ogg", "codecs": ["theora", "vorbis"]}, b"", FileType("video/ogg", "ogv")),
        ({"container": "amr", "codecs": ["amr_wb"], "video": False}, b"", FileType("audio/amr-wb", "awb")),
        ({"container": "matroska", "video": False}, b"\x1aE\xdf\xa3\x8b\x42\x82\x84webm",
         FileType("audio/webm", "webm")),
    ],
)  # fmt: skip
def test_kinds_that_one_demuxer_reads(changes: dict[str, Any], start: bytes, expected: FileType) -> None:
    assert detect_file_type(described(**changes), start) == expected


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"container": "hls"}, b"\0"),
        ({"container": "text/html"}, b"\0"),
        ({"container": "mov/"}, b"\0"),
        ({}, HTML),
        ({}, b"\n\n" + HTML),
        ({}, b"alert(1)//" + b"x" * text_content.HEAD),
    ],
)  # fmt: skip
def test_what_a_child_can_not_make_of_a_file(changes: dict[str, Any], start: bytes) -> None:
    with pytest.raises(JobFailure) as failure:
        detect_file_type(described(**changes), start)
    assert failure.value.code is ErrorCode.UNSUPPORTED_STREAM


async def test_packed_audio_is_what_it_is(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """RFC 8216 §3.4 has each segment of it begin with an ID3 tag."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2"]
    for number in range(3):
        packed = made.file("a.aac", *A, "-id3v2_version", "4", "-write_id3v2", "1")
        lines += ["#EXTINF:2,", site.put(f"/s{number}.aac", File("s.aac", packed, media_type="audio/aac"))]
    playlist = "\n".join([*lines, "#EXT-X-ENDLIST", ""])
    url = site.put("/radio.m3u8", text(playlist, "application/vnd.apple.mpegurl"))

    outcome = await download(zygote, tmp_path, url)

    with outcome.file.open("rb") as source:
        kind = detect_file_type(outcome.description, read_head(source))
    assert kind in {FileType("audio/aac", "aac"), FileType("audio/mp4", "m4a")}


@pytest.mark.parametrize(("name", "kind"), [("take.aiff", "audio/aiff"), ("film.mxf", "application/mxf")])
async def test_what_a_child_tells_names_it(name: str, kind: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    words = A if name.endswith("aiff") else (*V, "-r", "25", "-c:v", "mpeg2video")
    url = site.put(f"/{name}", File(name, made.file(name, *words), media_type=kind))

    outcome = await download(zygote, tmp_path, url)

    with outcome.file.open("rb") as source:
        found = detect_file_type(outcome.description, read_head(source))
    assert (found.media_type, found.extension) == (kind, name.partition(".")[2])
