"""Files that children leave: opened with care, and what they are called outside."""

import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.text import remove_controls

_Names = tuple[tuple[str, tuple[str, ...]], ...]
"""With pictures and without, or both alike: the media type, and the endings that fit it, the usual one first."""


def _has(what: bytes, at: int = 0) -> Callable[[bytes], bool]:
    return lambda start: start[at : at + len(what)] == what


def _is_ebml(document: bytes) -> Callable[[bytes], bool]:
    """Matroska's own, or WebM's: the DocType (RFC 8794 §11.2.8) is among the first fields."""
    return lambda start: start.startswith(b"\x1a\x45\xdf\xa3") and document in start[:64]


def _is_mpeg_audio(layers: Iterable[int]) -> Callable[[bytes], bool]:
    """A frame's sync of eleven bits, and its layer (ISO/IEC 11172-3 §2.4.1.3; 0 is ADTS's, ISO/IEC 13818-7)."""
    return lambda start: int.from_bytes(start[:2]) >> 5 == 0x7FF and start[1] >> 1 & 3 in layers  # noqa: PLR2004


_MP4: _Names = (("video/mp4", ("mp4", "m4v")), ("audio/mp4", ("m4a", "mp4")))
_KINDS: tuple[tuple[Callable[[bytes], bool], _Names], ...] = (
    (_has(b"ftypqt  ", 4), (("video/quicktime", ("mov",)),)),
    (_has(b"ftyp3g", 4), (("video/3gpp", ("3gp",)), ("audio/3gpp", ("3gp",)))),
    (_has(b"ftyp", 4), _MP4),
    (_has(b"styp", 4), _MP4),
    (_has(b"moov", 4), (("video/quicktime", ("mov",)),)),
    (_is_ebml(b"webm"), (("video/webm", ("webm",)), ("audio/webm", ("webm", "weba")))),
    (_is_ebml(b"matroska"), (("video/x-matroska", ("mkv",)), ("audio/x-matroska", ("mka",)))),
    (lambda start: start[:4] == b"OggS" and b"OpusHead" in start, (("audio/ogg", ("opus", "ogg", "oga")),)),
    (_has(b"OggS"), (("video/ogg", ("ogv", "ogg")), ("audio/ogg", ("ogg", "oga")))),
    (_has(b"fLaC"), (("audio/flac", ("flac",)),)),
    (_has(b"ID3"), (("audio/mpeg", ("mp3",)),)),
    (_is_mpeg_audio({1, 2, 3}), (("audio/mpeg", ("mp3",)),)),
    (_is_mpeg_audio({0}), (("audio/aac", ("aac",)),)),
    (lambda start: start[:4] == b"RIFF" and start[8:12] == b"WAVE", (("audio/wav", ("wav",)),)),
    (lambda start: start[:4] == b"RIFF" and start[8:12] == b"AVI ", (("video/x-msvideo", ("avi",)),)),
    (_has(b"FLV\x01"), (("video/x-flv", ("flv",)),)),
    (lambda start: start[:1] == start[188:189] == b"G", (("video/mp2t", ("ts",)),)),
    (lambda start: start[:4] in {b"\0\0\1\xba", b"\0\0\1\xb3"}, (("video/mpeg", ("mpg", "mpeg")),)),
    (_has(b"\x30\x26\xb2\x75"), (("video/x-ms-wmv", ("wmv",)), ("audio/x-ms-wma", ("wma",)))),
)
HEAD = 512
"""bytes by which a file's kind is known"""
_PICTURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))
_SEPARATORS = re.compile(r"[/\\\s]+")
MAX_PICTURE = 5 * 1024**2
"""bytes"""


def open_regular(folder: Path, name: str) -> tuple[BinaryIO, int]:
    """A file that a child left in its folder, and its size; JobFailure where it is no regular file of that folder."""
    if not name or "/" in name or name in {".", ".."}:
        raise JobFailure(ErrorCode.INTERNAL, "a child named a file outside its folder")
    try:
        fd = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise JobFailure(ErrorCode.INTERNAL, f"the child's file can't be opened: {error}") from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise JobFailure(ErrorCode.INTERNAL, "a child left no regular file")
    return os.fdopen(fd, "rb"), status.st_size


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is called outside."""

    media_type: str
    extension: str


def head(source: BinaryIO) -> bytes:
    return os.pread(source.fileno(), HEAD, 0)


def kind_of(start: bytes, name: str, *, has_video: bool) -> Kind:
    """What a file that starts so is, whatever it is named; JobFailure where it is no media that we know."""
    found = next((kind for matches, kind in _KINDS if matches(start)), None)
    if found is None:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"a file that starts with {start[:16]!r}")
    media_type, extensions = found[0 if has_video else -1]
    extension = name.rpartition(".")[2].lower()
    return Kind(media_type, extension if extension in extensions else extensions[0])


def picture_type(head: bytes) -> str | None:
    """The media type of a picture by its first bytes, None where it is none that browsers show."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _PICTURES if head.startswith(magic)), None)


def file_name(title: str, extension: str) -> str:
    """What a browser saves the video as: its title, in any script."""
    stem = _SEPARATORS.sub(" ", remove_controls(title)).strip(" .")[:120].strip() or "video"
    return f"{stem}.{extension}"
