"""Detects files that are truncated on the server: their own index refers to more data than there is.

ffprobe takes the duration from the index, and ffmpeg copies what is there without an error, so neither notices. Common
formats are checked: MP4 and QuickTime, Matroska and WebM, RIFF. Only headers are read, whatever they claim.
"""

import os
from pathlib import Path

from vidferry_worker.child import mp4_index

TOLERATED_SHARE = 0.001
"""share of a file that may be missing: padding, or the last frame"""
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_MOVI = b"movi"
MAX_CHUNKS, MAX_ELEMENTS = 1000, 10
_UNKNOWN_LENGTH = 0x7FFF0000
"""Greater lengths are placeholders, in RIFF files that were written to a pipe."""


def is_truncated(path: Path) -> bool:
    """Whether a file's index refers to more data than the file has."""
    with path.open("rb", buffering=0) as file:
        fd = file.fileno()
        size = os.fstat(fd).st_size
        return find_indexed_end(fd, size) * (1 - TOLERATED_SHARE) > size


def find_indexed_end(fd: int, size: int) -> int:
    """The offset in bytes at which the media ends by the file's own index; 0 where it doesn't tell."""
    start = os.pread(fd, 12, 0)
    if start[:4] == _EBML:
        return _end_of_segment(fd)
    if start[:4] == b"RIFF" and start[8:12] in {b"WAVE", b"AVI "}:
        return _end_of_chunks(fd, size)
    return mp4_index.find_end_of_media(fd, size) if start[4:8] in mp4_index.FIRST_BOXES else 0


def _end_of_segment(fd: int) -> int:
    """Matroska (RFC 9559 §5.1): one Segment follows the EBML header. Its size may be unknown, as in a live stream."""
    at = 0
    for _ in range(MAX_ELEMENTS):
        head = os.pread(fd, 12, at)
        name, (size, length) = head[:4], _read_vint(head[4:])
        if name not in {_EBML, _SEGMENT} or not length:
            return 0
        at += 4 + length + size
        if name == _SEGMENT:
            return 0 if size == (1 << 7 * length) - 1 else at
    return 0


def _read_vint(data: bytes) -> tuple[int, int]:
    """An element's data size, and the length of that field (RFC 8794 §4); length 0 where it is invalid."""
    length = 9 - data[0].bit_length() if data and data[0] else 0
    if len(data) < length or not length:
        return 0, 0
    return int.from_bytes(data[:length]) & ((1 << 7 * length) - 1), length


def _end_of_chunks(fd: int, size: int) -> int:
    """RIFF: the chunk with the samples decides, since the length of the whole file is often wrong."""
    at = 12
    for _ in range(MAX_CHUNKS):
        head = os.pread(fd, 12, at)
        length = int.from_bytes(head[4:8], "little")
        if len(head) < 8 or at >= size:  # noqa: PLR2004 - the header's length
            return 0
        if head[:4] == b"data" or head[8:12] == _MOVI:
            return at + 8 + length if length < _UNKNOWN_LENGTH else 0
        at += 8 + length + length % 2
    return 0
