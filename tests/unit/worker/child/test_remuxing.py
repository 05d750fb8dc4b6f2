"""Files that come in another container than the one that was asked for, and sounds that are taken out of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessorError

from support import ffmpeg, made
from support.children import Outcome, download
from support.command_line import yt_dlp
from support.ffmpeg import ffprobe
from support.origin.files import File
from support.origin.site import Site
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.formats import Container
from vidferry_worker.child.remuxing import RemuxIntoContainerPP
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
PICTURE, SOUND = made.picture("160x120", 1), made.sound(440, 1)
BOTH = (*PICTURE, *SOUND)
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error")
H264_AAC = (*BOTH, *made.X264, *made.AAC)
MPEG4_MP3 = (*BOTH, "-c:v", "mpeg4", "-bf", "2", "-c:a", "libmp3lame")
VP9_OPUS = (*BOTH, *VP9, "-c:a", "libopus")


@dataclass(frozen=True)
class Source:
    """A file that a site has, as ffmpeg makes it."""

    name: str
    words: tuple[str, ...]
    media_type: str = "application/octet-stream"

    def put(self, site: Site, at: str = "") -> str:
        data = made.file(self.name, *self.words)
        return site.put(f"/{at or self.name}", File(self.name, data, media_type=self.media_type))


def codecs(path: Path) -> list[str]:
    return [str(stream["codec_name"]) for stream in ffprobe(path)["streams"]]


def looked_into(outcome: Outcome) -> tuple[str, list[str]]:
    """The file's ending, and its codecs in order."""
    assert [path.name for path in outcome.folder.iterdir()] == [outcome.file.name], "nothing else is left"
    assert float(ffprobe(outcome.file)["format"]["duration"]) == pytest.approx(1, abs=0.3)
    return outcome.file.suffix[1:], codecs(outcome.file)


@pytest.mark.parametrize(
    ("source", "fmt", "expected"),
    [
        (Source("clip.mov", H264_AAC, "video/quicktime"), "1080-mp4", ("mp4", ["h264", "aac"])),
        (Source("clip.mkv", H264_AAC), "1080-mp4", ("mp4", ["h264", "aac"])),
        (Source("clip.ts", H264_AAC), "best-mp4", ("mp4", ["h264", "aac"])),
        (Source("clip.flv", H264_AAC), "1080-mp4", ("mp4", ["h264", "aac"])),
        (Source("clip.avi", MPEG4_MP3), "1080-mp4", ("mp4", ["mpeg4", "mp3"])),
        (Source("clip.avi", MPEG4_MP3), "1080-mkv", ("mkv", ["mpeg4", "mp3"])),
        (Source("clip.webm", VP9_OPUS), "720-mp4", ("mp4", ["vp9", "opus"])),
        (Source("clip.ts", (*BOTH, *HEVC, "-c:a", "ac3")), "best-mp4", ("mp4", ["hevc", "ac3"])),
        (Source("clip.m4v", (*H264_AAC, "-f", "mp4")), "1080-mp4", ("mp4", ["h264", "aac"])),
        (Source("clip.mkv", VP9_OPUS), "1080-webm", ("webm", ["vp9", "opus"])),
        (Source("clip.mkv", (*H264_AAC, "-timecode", "10:00:00:00")), "best-mkv", ("mkv", ["h264", "aac"])),
        (Source("clip.mov", (*H264_AAC, "-timecode", "10:00:00:00")), "best-mkv", ("mkv", ["h264", "aac"])),
        (Source("song.wav", SOUND), "best-mkv", ("mka", ["pcm_s16le"])),
    ],
)
async def test_a_file_is_moved_into_the_container_that_was_asked_for(
    source: Source, fmt: str, expected: tuple[str, list[str]], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, source.put(site), fmt)

    assert looked_into(outcome) == expected


@pytest.mark.parametrize(
    ("source", "at", "fmt", "ending"),
    [
        (Source("clip.mov", H264_AAC), "clip.mp4", "1080-mp4", "mp4"),
        (Source("clip.mov", H264_AAC), "IMG_0001.MOV", "1080-mp4", "mp4"),
        (Source("clip.mp4", H264_AAC), "clip.mov", "1080-mp4", "mp4"),
        (Source("clip.mov", H264_AAC, "video/quicktime"), "download", "1080-mp4", "mp4"),
        (Source("clip.webm", VP9_OPUS), "clip.mkv", "best-mkv", "mkv"),
        (Source("clip.mkv", VP9_OPUS), "clip.webm", "best-webm", "webm"),
    ],
)
async def test_bytes_say_what_is_moved_and_not_names(
    source: Source, at: str, fmt: str, ending: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, source.put(site, at), fmt)

    assert looked_into(outcome)[0] == ending


async def test_a_file_of_that_container_stays_byte_for_byte(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    source = Source("clip.mp4", H264_AAC)

    outcome = await download(zygote, tmp_path, source.put(site), "1080-mp4")

    assert outcome.file.read_bytes() == made.file(source.name, *source.words)


@pytest.mark.parametrize(
    ("source", "fmt"),
    [
        (Source("clip.webm", (*BOTH, "-c:v", "libvpx", "-c:a", "vorbis", "-ac", "2", "-strict", "-2")), "1080-mp4"),
        (Source("clip.mov", (*BOTH, *made.X264, "-c:a", "pcm_s16le")), "1080-mp4"),
        (Source("clip.mkv", H264_AAC), "1080-webm"),
        (Source("old.mov", (*BOTH, *made.X264, "-c:a", "adpcm_ima_qt")), "best-mkv"),
        (Source("silent.mp4", (*PICTURE, *made.X264)), "audio-any"),
        (Source("silent.mp4", (*PICTURE, *made.X264)), "audio-mp3"),
        (Source("silent.webm", (*PICTURE, *VP9)), "audio-m4a"),
        (Source("clip.mkv", VP9_OPUS), "audio-m4a"),
        (Source("song.m4a", (*SOUND, "-c:a", "alac")), "audio-m4a"),
    ],
)
async def test_what_no_such_file_holds_is_unavailable(
    source: Source, fmt: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, source.put(site), fmt)

    assert outcome.failure == ErrorCode.FORMAT_UNAVAILABLE, outcome.events[-1]


WORDS = "1\n00:00:00,100 --> 00:00:00,900\nHello\n"


def with_text(name: str, codec: str, home: Path) -> tuple[str, ...]:
    """A clip with a subtitle."""
    path = home / "words.srt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(WORDS)
    return (*BOTH, "-i", str(path), "-map", "0", "-map", "1", "-map", "2", *made.X264, *made.AAC, "-c:s", codec, name)


@pytest.mark.parametrize(
    ("name", "codec", "fmt", "expected"),
    [
        ("talk.mp4", "mov_text", "best-mkv", "subrip"),
        ("talk.mov", "mov_text", "best-mkv", "subrip"),
        ("talk.mkv", "srt", "best-mp4", "mov_text"),
        ("talk.mkv", "ass", "1080-mp4", "mov_text"),
    ],
)
async def test_subtitles_go_along(
    name: str, codec: str, fmt: str, expected: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    ffmpeg.run(*with_text(name, codec, tmp_path / "made"), cwd=tmp_path / "made")
    data = (tmp_path / "made" / name).read_bytes()
    (tmp_path / "child").mkdir()

    outcome = await download(
        zygote, tmp_path / "child", site.put(f"/{name}", File(name, data, media_type="video/mp4")), fmt
    )

    assert looked_into(outcome)[1] == ["h264", "aac", expected]
    ffmpeg.run("-i", outcome.file, "-map", "0:s", "words.srt", cwd=tmp_path)
    assert "Hello" in (tmp_path / "words.srt").read_text()


class WithoutDecoders(RemuxIntoContainerPP):
    """As with an ffmpeg that can't read the subtitle."""

    def run_ffmpeg_on(self, path: Path, target: Path, words: list[str]) -> None:
        if "-sn" not in words:
            raise FFmpegPostProcessorError("Decoding requested, but no decoder found")
        super().run_ffmpeg_on(path, target, words)


@pytest.mark.usefixtures("worker_environment")
def test_a_subtitle_that_can_not_be_read_is_left_out(tmp_path: Path) -> None:
    ffmpeg.run(*with_text("talk.mp4", "mov_text", tmp_path), cwd=tmp_path)
    with YoutubeDL({"quiet": True}) as downloader:
        mover = WithoutDecoders(downloader, Container.MKV)
        _, info = mover.run({"filepath": str(tmp_path / "talk.mp4"), "ext": "mp4"})
    assert codecs(Path(info["filepath"])) == ["h264", "aac"]


async def test_yt_dlp_fails_at_timed_text(site: Site, tmp_path: Path) -> None:
    ffmpeg.run(*with_text("talk.mp4", "mov_text", tmp_path / "made"), cwd=tmp_path / "made")
    data = (tmp_path / "made" / "talk.mp4").read_bytes()

    told = yt_dlp(tmp_path, "--remux-video", "mkv", site.put("/talk.mp4", File("talk.mp4", data)))

    assert told.returncode != 0, told.stdout
    assert "Postprocessing" in told.stderr


@pytest.mark.parametrize(("rotation", "fmt"), [(90, "1080-mkv"), (-180, "best-mkv"), (-90, "1080-mp4")])
async def test_an_upright_video_stays_upright(
    rotation: int, fmt: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    clip = made.folder(*H264_AAC, "clip.mp4") / "clip.mp4"
    source = Source("phone.mov", ("-display_rotation", str(rotation), "-i", str(clip), "-c", "copy"))

    outcome = await download(zygote, tmp_path, source.put(site), fmt)

    (told,) = [side for stream in ffprobe(outcome.file)["streams"] for side in stream.get("side_data_list", [])]
    assert told["rotation"] == rotation


def song(name: str, encoder: str) -> Source:
    """A sound with a cover."""
    cover = made.folder(*PICTURE, "-frames:v", "1", "-c:v", "mjpeg", "cover.jpg") / "cover.jpg"
    words = (*SOUND, "-i", str(cover), "-map", "0", "-map", "1", "-c:a", encoder, "-c:v", "copy",
             "-disposition:v", "attached_pic", "-metadata", "title=Air")  # fmt: skip
    return Source(name, words)


@pytest.mark.parametrize(
    ("source", "codec"),
    [(song("song.mp3", "libmp3lame"), "mp3"), (song("song.m4a", "aac"), "aac"), (song("song.flac", "flac"), "flac")],
)
async def test_a_song_becomes_matroska_sound_with_its_cover_beside(
    source: Source, codec: str, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, source.put(site), "best-mkv")

    assert looked_into(outcome) == ("mka", [codec, "mjpeg"])
    assert outcome.events[-1]["video"] is False
    report = ffprobe(outcome.file)
    cover: dict[str, Any] = report["streams"][1]
    assert (cover["disposition"]["attached_pic"], cover["tags"]["mimetype"]) == (1, "image/jpeg")
    assert report["format"]["tags"]["title"] == "Air"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source("concert.mov", (*BOTH, *made.X264, "-c:a", "pcm_s16le")), ("wav", ["pcm_s16le"])),
        (Source("camera.mov", (*BOTH, *made.X264, "-c:a", "pcm_s24be")), ("wav", ["pcm_s24le"])),
        (Source("clip.mkv", (*BOTH, *made.X264, "-c:a", "pcm_f32le")), ("wav", ["pcm_f32le"])),
        (Source("film.ts", (*BOTH, *made.X264, "-c:a", "ac3")), ("mka", ["ac3"])),
        (Source("film.mp4", (*BOTH, *made.X264, "-c:a", "eac3")), ("mka", ["eac3"])),
        (Source("old.mpg", (*BOTH, "-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2")), ("mka", ["mp2"])),
        (Source("old.wmv", (*BOTH, "-c:v", "wmv2", "-c:a", "wmav2")), ("wma", ["wmav2"])),
        (Source("clip.mov", (*BOTH, *made.X264, "-c:a", "alac")), ("m4a", ["alac"])),
        (Source("clip.mkv", (*BOTH, *made.X264, "-c:a", "flac")), ("flac", ["flac"])),
        (Source("clip.avi", MPEG4_MP3), ("mp3", ["mp3"])),
        (Source("clip.webm", VP9_OPUS), ("opus", ["opus"])),
        (Source("clip.ts", H264_AAC), ("m4a", ["aac"])),
        (Source("old.mov", (*BOTH, *made.X264, "-c:a", "adpcm_ima_qt")), ("mov", ["adpcm_ima_qt"])),
    ],
)
async def test_a_sound_is_taken_as_it_is(
    source: Source, expected: tuple[str, list[str]], zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, source.put(site), "audio-any")

    assert looked_into(outcome) == expected


@pytest.mark.parametrize(
    "source",
    [
        Source("song.wav", SOUND), song("song.mp3", "libmp3lame"), song("song.flac", "flac"),
        Source("song.wma", (*SOUND, "-c:a", "wmav2")), Source("song.m4a", (*SOUND, "-c:a", "alac")),
    ],
)  # fmt: skip
async def test_a_file_of_sound_stays_byte_for_byte(source: Source, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, source.put(site), "audio-any")

    assert outcome.file.read_bytes() == made.file(source.name, *source.words)


async def test_yt_dlp_encodes_what_it_does_not_know(site: Site, tmp_path: Path) -> None:
    source = Source("concert.mov", (*BOTH, *made.X264, "-c:a", "pcm_s16le"))

    yt_dlp(tmp_path, "-x", "-o", "sound.%(ext)s", source.put(site))

    assert codecs(tmp_path / "sound.mp3") == ["mp3"]


@pytest.mark.parametrize(
    ("source", "rate"),
    [
        (Source("concert.mov", (*BOTH, *made.X264, "-c:a", "pcm_s16le")), 320_000),
        (Source("song.flac", (*SOUND, "-c:a", "flac")), 320_000),
        (Source("clip.avi", (*BOTH, "-c:v", "mpeg4", "-c:a", "libmp3lame", "-b:a", "96k")), 96_000),
    ],
)
async def test_an_mp3_is_as_good_as_its_source(
    source: Source, rate: int, zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, source.put(site), "audio-mp3")

    assert looked_into(outcome) == ("mp3", ["mp3"])
    assert int(ffprobe(outcome.file)["streams"][0]["bit_rate"]) == pytest.approx(rate, rel=0.02)
