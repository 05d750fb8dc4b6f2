"""The media type, file extension and file name under which a finished file is served, from its description by ffprobe.

The description comes from a child, which is not trusted. It only selects an entry in a closed table of media types, so
a false one leads at worst to a file that doesn't play. Text, such as a web page, is refused whatever it is called.
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
class FileType:
    """The media type and the file extension of a served file."""

    media_type: str
    extension: str


_SEPARATORS = re.compile(r"[/\\\s]+")
_BRANDS = {"qt  ": "mov/qt", "3gp": "mov/3gp", "3g2": "mov/3g2", "mjp2": "mov/mj2", "mj2s": "mov/mj2"}
"""variants by the beginning of the major brand (ISO/IEC 14496-12 §4.3); any other is MP4"""


def detect_file_type(description: FileDescription, head: bytes, *, with_video: bool = True) -> FileType:
    """The type of a file, from a child's description and its first text_content.HEAD bytes.

    with_video=False makes it an audio file whatever else is in it. JobFailure where it is no known media file.
    """
    types = MEDIA_TYPES.get(_detect_variant(description, head))
    if types is None or text_content.is_text(head):
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"{description.container!r} that starts with {head[:16]!r}")
    extensions = types[0 if description.video and with_video else -1]
    present = description.file.rpartition(".")[2].lower()
    extension = present if present in extensions else next(iter(extensions))
    return FileType(extensions[extension], extension)


def _detect_variant(description: FileDescription, head: bytes) -> str:
    """The key of the file in MEDIA_TYPES."""
    match description.container:
        case "mov":
            return _find_mov_variant(description.brand, description.file)
        case "matroska" if _is_webm(head):
            return "matroska/webm"
        case "ogg" if description.codecs == ["opus"]:
            return "ogg/opus"
        case "mp3" if not {"mp1", "mp2"}.isdisjoint(description.codecs):
            return "mp3/mp2"
        case "amr" if "amr_wb" in description.codecs:
            return "amr/wb"
    return description.container


def _find_mov_variant(brand: str, name: str) -> str:
    """QuickTime files need no brand, and old MP4 files have none: without one the name decides."""
    if brand:
        return next((variant for prefix, variant in _BRANDS.items() if brand.startswith(prefix)), "mov")
    return "mov" if name.lower().endswith((".mp4", ".m4v", ".m4a")) else "mov/qt"


def _is_webm(head: bytes) -> bool:
    """Whether the DocType in the EBML header (RFC 8794 §11.2.8) is WebM; ffprobe doesn't say."""
    at = head.find(b"\x42\x82", 0, 256)
    return at >= 0 and head[at + 3 : at + 7] == b"webm"


def read_head(source: BinaryIO) -> bytes:
    """The beginning of a file, as much as is needed to recognise text."""
    return os.pread(source.fileno(), text_content.HEAD, 0)


def make_file_name(title: str, extension: str) -> str:
    """The name under which a browser saves the video: its title, in any script, with one file extension."""
    stem = _SEPARATORS.sub(" ", remove_controls(title)).strip(" .")
    if stem.lower().endswith(f".{extension}"):
        stem = stem[: -len(extension) - 1]
    stem = stem[:120].strip(" .") or "video"
    return f"{stem}.{extension}"
