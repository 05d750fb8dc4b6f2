"""Which streams a container holds, and ffmpeg's words that move a file's streams into it as they are.

Streams are as ffprobe describes them. Nothing is encoded but text, which has another form in each container.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidferry_common.contract.formats import Container

Stream = Mapping[str, Any]
HEAD = 64
"""bytes by which a container is known"""
MOST_STREAMS = 200
"""of a file that are moved, so that a command has an end"""


@dataclass(frozen=True, slots=True)
class Holds:
    """The codecs that a container holds, by ffmpeg's names of codecs; None is whatever ffmpeg knows."""

    video: frozenset[str] | None
    audio: frozenset[str] | None
    copied_text: frozenset[str]
    text: str
    """the codec that other text is put into"""


HOLDS = {
    # Sample entries that mp4ra.org lists, as far as players know them.
    Container.MP4: Holds(
        frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video"}),
        frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "alac", "flac", "dts"}),
        frozenset({"mov_text"}),
        "mov_text",
    ),
    # https://www.webmproject.org/docs/container/
    Container.WEBM: Holds(
        frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"}), frozenset({"webvtt"}), "webvtt"
    ),
    # RFC 9559, https://www.matroska.org/technical/subtitles.html
    Container.MKV: Holds(
        None,
        None,
        frozenset({"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}),
        "srt",
    ),
}
TEXT = frozenset({"mov_text", "subrip", "ass", "ssa", "webvtt", "text", "eia_608"})
"""what ffmpeg can read as text; the rest of subtitles are pictures"""
COVERS = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png"), "webp": ("webp", "image/webp")}
"""A cover's ending and media type, by its codec."""


@dataclass(frozen=True, slots=True)
class Move:
    """How a file's streams go into a container."""

    words: list[str]
    """for ffmpeg, between its input and its output"""
    has_text: bool
    extension: str
    cover: tuple[int, str] | None = None
    """the index and the codec of a picture that is to be an attachment"""

    @property
    def without_text(self) -> list[str]:
        return [*self.words, "-sn"]


def is_already(path: Path, container: Container) -> bool:
    """Whether a file is of that container, by how it begins (ISO/IEC 14496-12 §4.3, RFC 8794 §11.2.8)."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if container is Container.MP4:
        return head[4:8] == b"ftyp" and head[8:12] != b"qt  " and head[8:10] != b"3g"
    document = b"webm" if container is Container.WEBM else b"matroska"
    return head.startswith(b"\x1a\x45\xdf\xa3") and document in head


def plan(streams: Sequence[Stream], container: Container) -> Move | None:
    """How these streams go into a container; None where it doesn't hold the picture or the sound."""
    holds, streams = HOLDS[container], streams[:MOST_STREAMS]
    pictures = [each for each in streams if _is(each, "video") and not is_cover(each) and each.get("width") != 0]
    sounds = [each for each in streams if _is(each, "audio") and each.get("channels") != 0]
    wanted = [(each, held) for each, held in ((main(pictures), holds.video), (main(sounds), holds.audio)) if each]
    if not wanted or not all(_is_held(each, held) for each, held in wanted):
        return None
    kept = [each for each in pictures if _is_held(each, holds.video)]
    kept += [each for each in sounds if _is_held(each, holds.audio)]
    texts = [each for each in streams if _is(each, "subtitle") and _codec(each) in TEXT | holds.copied_text]
    covers = [each for each in streams if is_cover(each) and _codec(each) in COVERS]
    if container is Container.MKV:
        extension, attached = "mkv" if pictures else "mka", covers[:1]
        return Move(_words(kept, texts, holds), bool(texts), extension, _cover(attached))
    inside = [each for each in covers if each.get("width")][:1] if container is Container.MP4 else []
    return Move([*_words([*kept, *inside], texts, holds), *_names(kept, container)], bool(texts), container.value)


def main(streams: Sequence[Stream]) -> Stream | None:
    """The stream that a player would choose of these: one marked as default, else the first."""
    return max(streams, key=lambda each: int(each.get("disposition", {}).get("default", 0)), default=None)


def is_cover(stream: Stream) -> bool:
    return bool(_is(stream, "video") and stream.get("disposition", {}).get("attached_pic"))


def attach(cover: Path, codec: str) -> list[str]:
    """The words that put a picture into Matroska as its cover (https://www.matroska.org/technical/attachments.html)."""
    ending, media_type = COVERS[codec]
    return [
        "-attach", f"file:{cover}", "-metadata:s:t:0", f"mimetype={media_type}",
        "-metadata:s:t:0", f"filename=cover.{ending}",
    ]  # fmt: skip


def _is(stream: Stream, kind: str) -> bool:
    return stream.get("codec_type") == kind


def _codec(stream: Stream) -> str:
    return str(stream.get("codec_name") or "unknown")


def _is_held(stream: Stream, held: frozenset[str] | None) -> bool:
    return _codec(stream) in held if held is not None else _codec(stream) not in {"unknown", "none"}


def _words(kept: Sequence[Stream], texts: Sequence[Stream], holds: Holds) -> list[str]:
    maps = [word for each in (*kept, *texts) for word in ("-map", f"0:{each['index']}")]
    converted = [number for number, each in enumerate(texts) if _codec(each) not in holds.copied_text]
    codecs = [word for number in converted for word in (f"-c:s:{number}", holds.text)]
    return [*maps, "-c", "copy", "-strict", "experimental", *codecs]


def _names(kept: Sequence[Stream], container: Container) -> list[str]:
    """Apple's players know HEVC in MP4 by one name alone, and ffmpeg would write another."""
    hevc = [number for number, each in enumerate(kept) if _codec(each) == "hevc"]
    return [word for number in hevc for word in (f"-tag:{number}", "hvc1")] if container is Container.MP4 else []


def _cover(covers: Sequence[Stream]) -> tuple[int, str] | None:
    return next(((int(each["index"]), _codec(each)) for each in covers), None)
