"""What a finished file is called outside: its media type and its ending, by what ffprobe found in it.

A child tells that, and children are not trusted. What it tells is looked up in a closed table of types of picture and
sound, so a lie gives at worst a file that does not play; a text, such as a page, is refused whatever it is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children import text_content


class _Description(BaseModel):
    file: str = Field(max_length=255)
    container: str = Field(max_length=40)
    brand: str = Field(max_length=4)
    codecs: list[str] = Field(max_length=16)
    video: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is called outside."""

    media_type: str
    extension: str


_Endings = Mapping[str, str]
"""Media types by the endings that fit them, the usual one first."""


def _of(media_type: str, *endings: str) -> _Endings:
    return dict.fromkeys(endings, media_type)


_MATROSKA_AUDIO = _of("audio/x-matroska", "mka")
_OGG_AUDIO = _of("audio/ogg", "ogg", "oga", "spx")
_KINDS: dict[str, tuple[_Endings, ...]] = {
    "mov": (_of("video/mp4", "mp4", "m4v"), _of("audio/mp4", "m4a", "m4b")),
    "mov/qt": (_of("video/quicktime", "mov", "qt"),),
    "mov/3gp": (_of("video/3gpp", "3gp"), _of("audio/3gpp", "3gp")),
    "mov/3g2": (_of("video/3gpp2", "3g2"), _of("audio/3gpp2", "3g2")),
    "mov/mj2": (_of("video/mj2", "mj2"),),
    "matroska": (_of("video/x-matroska", "mkv", "mk3d"), _MATROSKA_AUDIO),
    "matroska/webm": (_of("video/webm", "webm"), _of("audio/webm", "webm", "weba")),
    "mpegts": (_of("video/mp2t", "ts", "m2ts", "mts", "m2t"),),
    "mpeg": (_of("video/mpeg", "mpg", "mpeg", "vob"),),
    "mpegvideo": (_of("video/mpeg", "m2v", "m1v", "mpg", "mpeg"),),
    "flv": (_of("video/x-flv", "flv"),),
    "avi": (_of("video/x-msvideo", "avi", "divx"),),
    "ogg": (_of("video/ogg", "ogv", "ogg", "ogm"), _OGG_AUDIO),
    "ogg/opus": (_of("video/ogg", "ogv", "ogg"), _of("audio/ogg", "opus", "ogg", "oga")),
    "asf": ({"wmv": "video/x-ms-wmv", "asf": "video/x-ms-asf"}, _of("audio/x-ms-wma", "wma")),
    "mp3": (_of("audio/mpeg", "mp3"),),
    "mp3/mp2": (_of("audio/mpeg", "mp2", "mpa"),),
    "aac": (_of("audio/aac", "aac"),),
    "flac": (_of("audio/flac", "flac"),),
    "wav": (_of("audio/wav", "wav"),),
    "w64": (_of("audio/x-w64", "w64"),),
    "aiff": (_of("audio/aiff", "aiff", "aif", "aifc"),),
    "caf": (_of("audio/x-caf", "caf"),),
    "amr": (_of("audio/amr", "amr"),),
    "amr/wb": (_of("audio/amr-wb", "awb", "amr"),),
    "ac3": (_of("audio/ac3", "ac3"),),
    "eac3": (_of("audio/eac3", "eac3", "ec3"),),
    "dts": (_of("audio/vnd.dts", "dts"),),
    "truehd": (_of("audio/vnd.dolby.mlp", "thd", "mlp"),),
    "h264": (_of("video/h264", "h264", "264"),),
    "hevc": (_of("video/h265", "h265", "hevc", "265"),),
    "m4v": (_of("video/mp4v-es", "m4v"),),
    "ivf": (_of("video/x-ivf", "ivf"),),
    "obu": (_of("video/av1", "obu"),),
    "vc1": (_of("video/vc1", "vc1"),),
    "dv": (_of("video/dv", "dv", "dif"),),
    "mxf": (_of("application/mxf", "mxf"),),
    "nut": (_of("video/x-nut", "nut"), _of("audio/x-nut", "nut")),
    "rm": (_of("application/vnd.rn-realmedia", "rm"), _of("audio/x-pn-realaudio", "ra", "rm")),
    "ape": (_of("audio/x-ape", "ape"),),
    "wv": (_of("audio/x-wavpack", "wv"),),
    "tta": (_of("audio/x-tta", "tta"),),
    "dsf": (_of("audio/x-dsf", "dsf"),),
    "au": (_of("audio/basic", "au", "snd"),),
    "gif": (_of("image/gif", "gif"),),
}
"""By ffmpeg's demuxer, all that child/patches/programs.py lets it read; of several kinds, by which it is."""

ENDINGS = frozenset(ending for kinds in _KINDS.values() for endings in kinds for ending in endings)
"""Of all kinds."""

_BRANDS = {"qt  ": "mov/qt", "3gp": "mov/3gp", "3g2": "mov/3g2", "mjp2": "mov/mj2", "mj2s": "mov/mj2"}
"""ISO/IEC 14496-12 §4.3, by what they begin with; others are MP4's."""


def kind_of(told: Mapping[str, Any], start: bytes, *, with_video: bool = True) -> Kind:
    """The kind of a file of which a child told so, and whose first text_content.HEAD bytes are start.

    with_video=False calls it sound whatever else is in it. JobFailure where it is no media that we know.
    """
    try:
        described = _Description.model_validate({name: told.get(name) for name in _Description.model_fields})
    except ValidationError as error:
        raise JobFailure(ErrorCode.INTERNAL, "a child's description of its file is ill-formed") from error
    known = _KINDS.get(_variant(described, start))
    if known is None or text_content.is_text(start):
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"{described.container!r} that starts with {start[:16]!r}")
    endings = known[0 if described.video and with_video else -1]
    told_ending = described.file.rpartition(".")[2].lower()
    ending = told_ending if told_ending in endings else next(iter(endings))
    return Kind(endings[ending], ending)


def _variant(told: _Description, start: bytes) -> str:
    """Which of a demuxer's kinds it is."""
    match told.container:
        case "mov":
            return _branded(told.brand, told.file)
        case "matroska" if _is_webm(start):
            return "matroska/webm"
        case "ogg" if told.codecs == ["opus"]:
            return "ogg/opus"
        case "mp3" if not {"mp1", "mp2"}.isdisjoint(told.codecs):
            return "mp3/mp2"
        case "amr" if "amr_wb" in told.codecs:
            return "amr/wb"
    return told.container


def _branded(brand: str, name: str) -> str:
    """QuickTime's files need no brand, and early MP4's have none: there the name decides."""
    if brand:
        return next((kind for begin, kind in _BRANDS.items() if brand.startswith(begin)), "mov")
    return "mov" if name.lower().endswith((".mp4", ".m4v", ".m4a")) else "mov/qt"


def _is_webm(start: bytes) -> bool:
    """Whether an EBML header's DocType (RFC 8794 §11.2.8), which ffprobe does not tell, is WebM's."""
    at = start.find(b"\x42\x82", 0, 256)
    return at >= 0 and start[at + 3 : at + 7] == b"webm"
