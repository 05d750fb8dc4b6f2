"""What is no media, and how ffmpeg is held to media."""

from pathlib import Path

import pytest

from support import ffmpeg
from support.origin import media
from vidferry_worker.child.content_sniff import HEAD, is_text, is_text_file
from vidferry_worker.child.patches.subprocesses import DEMUXERS, GUARD, add_guard

TEXTS = [
    b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"\xef\xbb\xbf#EXTM3U\n", b"\n\n #extm3u\n", b"#EXTM3U\0\0\0\xff\xfe",
    b"ffconcat version 1.0\nfile /etc/passwd\n", b"file '/etc/passwd'\n", b";FFMETADATA1\n",
    b"<?xml version='1.0'?><MPD/>", b"<mpd/>", b"<smil>", b"<!DOCTYPE html><video>", b"[playlist]\nFile1=x\n",
    b"[Reference]\nRef1=http://127.0.0.1/\n", b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", b"RTSPtext\r\nrtsp://127.0.0.1/",
    b"rtsp://127.0.0.1/", "Ein Märchen".encode(), b"x" * (HEAD - 1) + "ä".encode()[:1], b"\0\0#EXTM3U",
]  # fmt: skip


@pytest.mark.parametrize("head", TEXTS, ids=lambda head: repr(head[:20]))
def test_texts_are_known(head: bytes) -> None:
    assert is_text(head[:HEAD])


@pytest.mark.parametrize(
    "head", [b"", b"\0\0\0\x20ftypisom", b"\x1aE\xdf\xa3", b"G@\x11\x10\0B\xf0", b"ID3\x04\0\0\0", b"OggS\0\x02",
             b"RIFF\x24\0\0\0WAVEfmt ", b"FLV\x01\x05\0\0\0\x09", b"\xff\xf1P\x80",
             b"fLaC\0\0\0\x22", b"#!AMR\n\x3c\x08"],
)  # fmt: skip
def test_media_is_none(head: bytes) -> None:
    assert not is_text(head)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm", "thumb.jpg", "hls/v360/seg000.ts", "hls/audio/seg000.ts"])
def test_real_media_is_none(name: str) -> None:
    assert not is_text_file(media.folder() / name)


@pytest.mark.parametrize("name", ["hls/master.m3u8", "hls/v360/index.m3u8", "dash/manifest.mpd"])
def test_real_playlists_are(name: str) -> None:
    assert is_text_file(media.folder() / name)


def test_every_input_is_guarded() -> None:
    assert add_guard(["/bin/ffmpeg", "-y", "-i", "file:a", "-i", "file:b", "file:c"]) == [
        "/bin/ffmpeg", "-y", *GUARD, "-i", "file:a", *GUARD, "-i", "file:b", "file:c",
    ]  # fmt: skip
    assert add_guard(["ffprobe", "-show_format", "file:a"]) == ["ffprobe", *GUARD, "-show_format", "file:a"]
    assert add_guard(["deno", "run", "-i"]) == ["deno", "run", "-i"]


def test_the_containers_are_ffmpegs() -> None:
    known = ffmpeg.output("-hide_banner", "-demuxers")
    names = {name for line in known.splitlines() for name in (line.split()[1:2] or [""])[0].split(",")}

    assert set(DEMUXERS) <= names
    assert not {"hls", "dash", "concat", "sdp", "rtsp", "image2", "lavfi"} & set(DEMUXERS)


@pytest.mark.parametrize("guard", [True, False])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("concat.mp4", "ffconcat version 1.0\nfile canary.mp4\n"),
        ("hls.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\ncanary.mp4\n#EXT-X-ENDLIST\n"),
    ],
)
def test_ffmpeg_reads_no_other_file(name: str, content: str, guard: bool, tmp_path: Path) -> None:
    """Also where nothing looked at the file before; without the guard it does."""
    (tmp_path / "canary.mp4").write_bytes(media.read("clip.mp4"))
    (tmp_path / name).write_text(content)
    command = [str(ffmpeg.ffmpeg()), "-v", "error", "-i", f"file:{tmp_path / name}", "-c", "copy", "-f", "matroska"]
    done = ffmpeg.finish([*(add_guard(command) if guard else command), str(tmp_path / "out.mkv")])

    assert (done.returncode == 0) is not guard
    assert (tmp_path / "out.mkv").exists() is not guard
