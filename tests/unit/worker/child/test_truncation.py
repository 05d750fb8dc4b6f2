"""Files that are cut at their origin, whose server nevertheless sends all it has."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support import ffmpeg, made
from support.children import download
from support.made import AAC, X264, picture, sound
from support.origin import media
from support.origin.files import File
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.truncation import is_truncated
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
VPX = ("-c:v", "libvpx", "-c:a", "libopus")
FRAGMENTED = ("-movflags", "empty_moov+default_base_moof+frag_keyframe")
MAKERS: dict[str, Callable[[], bytes]] = {
    "faststart.mp4": lambda: made.clip("clip.mp4", "320x240", 440, 2, *X264, *AAC, "-movflags", "+faststart"),
    "index-last.mp4": lambda: made.clip("clip.mp4"),
    "wide-offsets.mp4": lambda: wide_offsets(MAKERS["faststart.mp4"]()),
    "quicktime.mov": lambda: made.clip("clip.mov", "320x240", 440, 2, *X264, *AAC, "-movflags", "+faststart"),
    "fragmented.mp4": lambda: made.clip("clip.mp4", "320x240", 440, 2, *X264, *AAC, *FRAGMENTED),
    "indexed-fragments.mp4": lambda: made.clip(
        "clip.mp4", "320x240", 440, 2, *X264, *AAC, "-movflags", "+dash+global_sidx+frag_keyframe+default_base_moof"
    ),
    "sound.m4a": lambda: made.file("tone.m4a", *sound(), *AAC, "-movflags", "+faststart"),
    "clip.mkv": lambda: made.clip("clip.mkv"),
    "clip.webm": lambda: made.clip("clip.webm", "320x240", 440, 2, *VPX),
    "clip.avi": lambda: made.file("clip.avi", *picture(), *sound()),
    "tone.wav": lambda: made.file("tone.wav", *sound()),
}


def wide_offsets(data: bytes) -> bytes:
    """The same, with the length of its samples' box told in 64 bits (ISO/IEC 14496-12 §4.2)."""
    free, mdat = data.index(b"\0\0\0\x08free"), data.index(b"mdat")
    size = int.from_bytes(data[mdat - 4 : mdat])
    assert mdat - 4 == free + 8
    return data[:free] + b"\0\0\0\1mdat" + (size + 8).to_bytes(8) + data[mdat + 4 :]


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def written(folder: Path, data: bytes) -> Path:
    (folder / "file").write_bytes(data)
    return folder / "file"


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_file_says_so_itself(name: str, share: float, tmp_path: Path) -> None:
    whole = MAKERS[name]()
    assert not is_truncated(written(tmp_path, whole))
    assert is_truncated(written(tmp_path, cut(whole, share)))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "behind", [b"\r\n", bytes(5000), b"abcdefghijkl" * 500, b"\xff\xd9<html>", b"TAG" + bytes(125)]
)
def test_what_somebody_has_put_behind_a_whole_file_is_let_be(name: str, behind: bytes, tmp_path: Path) -> None:
    assert not is_truncated(written(tmp_path, MAKERS[name]() + behind))


def to_the_end(data: bytes) -> bytes:
    """MP4 whose last box tells no length: it goes to the file's end (ISO/IEC 14496-12 §4.2)."""
    at = data.index(b"mdat") - 4
    return data[:at] + bytes(4) + data[at + 4 :]


def told_fuller(data: bytes) -> bytes:
    """MP4 whose last chunks hold fewer samples than the run that they are in tells."""
    for at in (found.end() for found in re.finditer(b"stsc", data)):
        last = at + 8 + 12 * (int.from_bytes(data[at + 4 : at + 8]) - 1) + 4
        data = data[:last] + (int.from_bytes(data[last : last + 4]) + 40).to_bytes(4) + data[last + 4 :]
    return data


def of_a_pipe(data: bytes) -> bytes:
    """WAV as it is written where nobody can go back to put its lengths in."""
    at = data.index(b"data") + 4
    return data[:4] + b"\xff" * 4 + data[8:at] + b"\xff" * 4 + data[at + 4 :]


@pytest.mark.parametrize(
    "data",
    [
        lambda: to_the_end(MAKERS["faststart.mp4"]()),
        lambda: cut(made.clip("live.mkv", "320x240", 440, 2, *X264, *AAC, "-live", "1"), 0.5),
        lambda: MAKERS["faststart.mp4"]().replace(b"stsc\0\0\0\0\0\0\0\1", b"stsc\0\0\0\0\0\0\0\0"),
        lambda: told_fuller(MAKERS["sound.m4a"]()),
        lambda: told_fuller(MAKERS["quicktime.mov"]()),
        lambda: of_a_pipe(MAKERS["tone.wav"]()),
        lambda: MAKERS["tone.wav"]()[:4] + b"\0\0\0\x7f" + MAKERS["tone.wav"]()[8:],  # the length of the whole alone
        lambda: made.clip("clip.ts"),
        lambda: made.file("tone.mp3", *sound()),
        lambda: made.file("tone.flac", *sound()),
        lambda: media.read("clip.mp4"),
        lambda: media.read("clip.webm"),
        lambda: media.large(20, 0, 3),
        lambda: b"",
        lambda: b"\0\0\0\x08moov",
        lambda: b"\x1a\x45\xdf\xa3",
        lambda: b"RIFF\0\0\0\0WAVE",
        lambda: b"\0\0\0\x20ftypisom" + bytes(100),
    ],
)
def test_a_file_that_tells_no_more_than_is_there_is_whole(data: Callable[[], bytes], tmp_path: Path) -> None:
    assert not is_truncated(written(tmp_path, data()))


@pytest.mark.parametrize("name", MAKERS)
def test_no_index_makes_it_stumble(name: str, tmp_path: Path) -> None:
    """Whatever stands there."""
    whole, chance = MAKERS[name](), random.Random(name)
    for _ in range(100):
        data = bytearray(whole)
        for at in (chance.randrange(min(len(data), 3000)) for _ in range(chance.randint(1, 8))):
            data[at] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        assert is_truncated(written(tmp_path, bytes(data))) in {True, False}


def test_its_tables_count_where_the_last_box_goes_to_the_files_end(tmp_path: Path) -> None:
    whole = to_the_end(MAKERS["faststart.mp4"]())
    assert is_truncated(written(tmp_path, cut(whole, 0.5)))


@pytest.mark.parametrize(
    ("name", "fmt"),
    [
        ("faststart.mp4", "1080-any"),
        ("faststart.mp4", "audio-any"),
        ("faststart.mp4", "best-mkv"),
        ("index-last.mp4", "1080-any"),
        ("index-last.bin", "1080-any"),
        ("clip.webm", "1080-any"),
        ("tone.wav", "audio-any"),
    ],
)
async def test_a_cut_file_is_its_origins_error(name: str, fmt: str, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Which is tried again: who is still copying it there will come to an end."""
    types = {"webm": "video/webm", "wav": "audio/wav", "bin": "application/octet-stream"}
    half = cut(MAKERS[name.replace(".bin", ".mp4")](), 0.5)
    url = site.put(f"/{name}", File(name, half, media_type=types.get(name.rpartition(".")[2], "video/mp4")))

    outcome = await download(zygote, tmp_path, url, fmt)

    assert outcome.failure == ErrorCode.ORIGIN_ERROR, outcome.events[-1]
    assert ErrorCode.ORIGIN_ERROR.retryable


def test_ffmpeg_makes_a_shorter_file_of_a_cut_one_without_a_failure(tmp_path: Path) -> None:
    """Which is why it is looked at before."""
    source = written(tmp_path, cut(MAKERS["faststart.mp4"](), 0.5))
    ffmpeg.run("-i", source, "-c", "copy", tmp_path / "made.mkv")
    assert ffmpeg.duration(source) == pytest.approx(2, abs=0.1)
    assert ffmpeg.duration(tmp_path / "made.mkv") < 1.9
