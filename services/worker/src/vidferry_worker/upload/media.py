"""Files that children leave: opened with care; and the names of videos and the types of their pictures."""

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.text import remove_controls
from vidferry_worker.children import text_content

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


def head(source: BinaryIO) -> bytes:
    """The beginning of a file, as much as is looked at to know a text."""
    return os.pread(source.fileno(), text_content.HEAD, 0)


def picture_type(head: bytes) -> str | None:
    """The media type of a picture by its first bytes, None where it is none that browsers show."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _PICTURES if head.startswith(magic)), None)


def file_name(title: str, extension: str) -> str:
    """What a browser saves the video as: its title, in any script, and one ending."""
    stem = _SEPARATORS.sub(" ", remove_controls(title)).strip(" .")
    if stem.lower().endswith(f".{extension}"):
        stem = stem[: -len(extension) - 1]
    stem = stem[:120].strip(" .") or "video"
    return f"{stem}.{extension}"
