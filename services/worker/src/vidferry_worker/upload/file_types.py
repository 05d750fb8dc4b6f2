"""What a finished file is called outside: its name, its media type and its ending, by what ffprobe found in it.

A child tells that, and children are not trusted. What it tells is looked up in a closed table of types of picture and
sound, so a lie gives at worst a file that does not play; a text, such as a page, is refused whatever it is called.
"""

import os
import re
from dataclasses import dataclass
from typing import BinaryIO

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.text import remove_controls
from vidferry_worker.children import text_content
from vidferry_worker.children.media_types import MEDIA_TYPES
from vidferry_worker.children.protocol import FileDescription


@dataclass(frozen=True, slots=True)
class Kind:
    """The media type and the ending that a file has outside."""

    media_type: str
    extension: str


_SEPARATORS = re.compile(r"[/\\\s]+")
_BRANDS = {"qt  ": "mov/qt", "3gp": "mov/3gp", "3g2": "mov/3g2", "mjp2": "mov/mj2", "mj2s": "mov/mj2"}
"""ISO/IEC 14496-12 §4.3, by what they begin with; others are MP4's."""


def kind_of(told: FileDescription, start: bytes, *, with_video: bool = True) -> Kind:
    """The kind of a file of which a child told so, and whose first text_content.HEAD bytes are start.

    with_video=False calls it sound whatever else is in it. JobFailure where it is no media that we know.
    """
    known = MEDIA_TYPES.get(_variant(told, start))
    if known is None or text_content.is_text(start):
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"{told.container!r} that starts with {start[:16]!r}")
    endings = known[0 if told.video and with_video else -1]
    told_ending = told.file.rpartition(".")[2].lower()
    ending = told_ending if told_ending in endings else next(iter(endings))
    return Kind(endings[ending], ending)


def _variant(told: FileDescription, start: bytes) -> str:
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


def read_head(source: BinaryIO) -> bytes:
    """The beginning of a file, as much as is looked at to know a text."""
    return os.pread(source.fileno(), text_content.HEAD, 0)


def file_name(title: str, extension: str) -> str:
    """What a browser saves the video as: its title, in any script, and one ending."""
    stem = _SEPARATORS.sub(" ", remove_controls(title)).strip(" .")
    if stem.lower().endswith(f".{extension}"):
        stem = stem[: -len(extension) - 1]
    stem = stem[:120].strip(" .") or "video"
    return f"{stem}.{extension}"
