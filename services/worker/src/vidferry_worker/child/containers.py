"""Which codecs a container supports, and ffmpeg's arguments that remux a file's streams into it.

Streams are ffprobe's descriptions. Only subtitles are encoded, since each container has its own form of text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidferry_common.contract.formats import Container

Stream = Mapping[str, Any]
HEAD_BYTES = 64
"""bytes that identify a container"""
MAX_STREAMS = 200
"""streams of a file that are remuxed, so that the command line is bounded"""


@dataclass(frozen=True, slots=True)
class SupportedCodecs:
    """The codecs that a container supports, by ffmpeg's names; None stands for all that ffmpeg knows."""

    video: frozenset[str] | None
    audio: frozenset[str] | None
    copied_text: frozenset[str]
    text_codec: str
    """the codec that other subtitles are converted to"""


SUPPORTED_CODECS = {
    # Sample entries that mp4ra.org lists, as far as players know them.
    Container.MP4: SupportedCodecs(
        frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video"}),
        frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "alac", "flac", "dts"}),
        frozenset({"mov_text"}),
        "mov_text",
    ),
    # https://www.webmproject.org/docs/container/
    Container.WEBM: SupportedCodecs(
        frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"}), frozenset({"webvtt"}), "webvtt"
    ),
    # RFC 9559, https://www.matroska.org/technical/subtitles.html
    Container.MKV: SupportedCodecs(
        None,
        None,
        frozenset({"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}),
        "srt",
    ),
}
TEXT_CODECS = frozenset({"mov_text", "subrip", "ass", "ssa", "webvtt", "text", "eia_608"})
"""subtitles that ffmpeg reads as text; all others are images"""
COVERS = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png"), "webp": ("webp", "image/webp")}
"""A cover image's file extension and media type, by codec."""


@dataclass(frozen=True, slots=True)
class RemuxPlan:
    """How a file's streams are remuxed into a container."""

    arguments: list[str]
    """for ffmpeg, between its input and its output"""
    has_text: bool
    extension: str
    cover: tuple[int, str] | None = None
    """the index and codec of the image that becomes an attachment"""

    @property
    def arguments_without_text(self) -> list[str]:
        return [*self.arguments, "-sn"]


def is_in_container(path: Path, container: Container) -> bool:
    """Whether a file has that container, by its first bytes (ISO/IEC 14496-12 §4.3, RFC 8794 §11.2.8)."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if container is Container.MP4:
        return head[4:8] == b"ftyp" and head[8:12] != b"qt  " and head[8:10] != b"3g"
    document = b"webm" if container is Container.WEBM else b"matroska"
    return head.startswith(b"\x1a\x45\xdf\xa3") and document in head


def plan_remux(streams: Sequence[Stream], container: Container) -> RemuxPlan | None:
    """How to remux these streams into a container; None where it doesn't support the main video or audio."""
    supported, streams = SUPPORTED_CODECS[container], streams[:MAX_STREAMS]
    video = [each for each in streams if _is_video(each)]
    audio = [each for each in streams if _is_of_type(each, "audio") and each.get("channels") != 0]
    main = [(main_stream(video), supported.video), (main_stream(audio), supported.audio)]
    if not (video or audio) or not all(_is_supported(each, codecs) for each, codecs in main if each):
        return None
    kept = [each for each in video if _is_supported(each, supported.video)]
    kept += [each for each in audio if _is_supported(each, supported.audio)]
    readable = TEXT_CODECS | supported.copied_text
    texts = [each for each in streams if _is_of_type(each, "subtitle") and _codec_name(each) in readable]
    covers = [each for each in streams if is_cover(each) and _codec_name(each) in COVERS]
    if container is Container.MKV:
        arguments, extension = _copy_arguments(kept, texts, supported), "mkv" if video else "mka"
        return RemuxPlan(arguments, bool(texts), extension, _attached_cover(covers[:1]))
    inside = [each for each in covers if each.get("width")][:1] if container is Container.MP4 else []
    arguments = [*_copy_arguments([*kept, *inside], texts, supported), *_tag_arguments(kept, container)]
    return RemuxPlan(arguments, bool(texts), container.value)


def _is_video(stream: Stream) -> bool:
    return _is_of_type(stream, "video") and not is_cover(stream) and stream.get("width") != 0


def main_stream(streams: Sequence[Stream]) -> Stream | None:
    """The stream that a player chooses: one marked as default, else the first."""
    return max(streams, key=lambda each: int(each.get("disposition", {}).get("default", 0)), default=None)


def is_cover(stream: Stream) -> bool:
    return bool(_is_of_type(stream, "video") and stream.get("disposition", {}).get("attached_pic"))


def cover_arguments(cover: Path, codec: str) -> list[str]:
    """The arguments that attach a cover to Matroska (https://www.matroska.org/technical/attachments.html)."""
    ending, media_type = COVERS[codec]
    return [
        "-attach", f"file:{cover}", "-metadata:s:t:0", f"mimetype={media_type}",
        "-metadata:s:t:0", f"filename=cover.{ending}",
    ]  # fmt: skip


def _is_of_type(stream: Stream, kind: str) -> bool:
    return stream.get("codec_type") == kind


def _codec_name(stream: Stream) -> str:
    return str(stream.get("codec_name") or "unknown")


def _is_supported(stream: Stream, codecs: frozenset[str] | None) -> bool:
    return _codec_name(stream) in codecs if codecs is not None else _codec_name(stream) not in {"unknown", "none"}


def _copy_arguments(kept: Sequence[Stream], texts: Sequence[Stream], supported: SupportedCodecs) -> list[str]:
    maps = [word for each in (*kept, *texts) for word in ("-map", f"0:{each['index']}")]
    converted = [number for number, each in enumerate(texts) if _codec_name(each) not in supported.copied_text]
    codecs = [word for number in converted for word in (f"-c:s:{number}", supported.text_codec)]
    return [*maps, "-c", "copy", "-strict", "experimental", *codecs]


def _tag_arguments(kept: Sequence[Stream], container: Container) -> list[str]:
    """Tags HEVC in MP4 as `hvc1`: Apple's players accept no other name, and ffmpeg would write `hev1`."""
    hevc = [number for number, each in enumerate(kept) if _codec_name(each) == "hevc"]
    return [word for number in hevc for word in (f"-tag:{number}", "hvc1")] if container is Container.MP4 else []


def _attached_cover(covers: Sequence[Stream]) -> tuple[int, str] | None:
    return next(((int(each["index"]), _codec_name(each)) for each in covers), None)
