"""How ffmpeg is held to media."""

from pathlib import Path

import pytest

from support import ffmpeg
from support.origin import media
from vidferry_worker.child.patches.subprocesses import DEMUXERS, GUARD, add_guard


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
