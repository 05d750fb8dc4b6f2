"""Bodies that are cut although their server sent all it has: their own index says that more belongs to them.

ffprobe takes a length from the index, and ffmpeg copies what is there without a failure. So this looks for itself, at
what is common: MP4 and QuickTime, Matroska and WebM, RIFF. Of each it reads headers only, whatever they claim.
"""

import os
from pathlib import Path

from vidferry_worker.child import mp4_index

TOLERATED = 0.001
"""of a file may be missing: what pads its end, or the last frame"""
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_MOVI = b"movi"
MAX_CHUNKS, MAX_ELEMENTS = 1000, 10
_UNTOLD = 0x7FFF0000
"""Lengths from here on stand in RIFF files that were written into a pipe."""


def is_cut(path: Path) -> bool:
    """Whether more belongs to a file than is there."""
    with path.open("rb", buffering=0) as file:
        fd = file.fileno()
        size = os.fstat(fd).st_size
        return end_by_index(fd, size) * (1 - TOLERATED) > size


def end_by_index(fd: int, size: int) -> int:
    """Where a file's media ends as its own index tells, in bytes; 0 where it tells nothing."""
    start = os.pread(fd, 12, 0)
    if start[:4] == _EBML:
        return _end_of_segment(fd)
    if start[:4] == b"RIFF" and start[8:12] in {b"WAVE", b"AVI "}:
        return _end_of_chunks(fd, size)
    return mp4_index.end_of_media(fd, size) if start[4:8] in mp4_index.BOXES else 0


def _end_of_segment(fd: int) -> int:
    """Matroska's (RFC 9559 §5.1): after the EBML header one Segment, whose size may be unknown, as of a live one."""
    at = 0
    for _ in range(MAX_ELEMENTS):
        head = os.pread(fd, 12, at)
        name, (size, length) = head[:4], _vint(head[4:])
        if name not in {_EBML, _SEGMENT} or not length:
            return 0
        at += 4 + length + size
        if name == _SEGMENT:
            return 0 if size == (1 << 7 * length) - 1 else at
    return 0


def _vint(data: bytes) -> tuple[int, int]:
    """An element's data size, and how many bytes tell it (RFC 8794 §4); 0 bytes where it is none."""
    length = 9 - data[0].bit_length() if data and data[0] else 0
    if len(data) < length or not length:
        return 0, 0
    return int.from_bytes(data[:length]) & ((1 << 7 * length) - 1), length


def _end_of_chunks(fd: int, size: int) -> int:
    """RIFF's: of the chunk with the samples, since the length of the whole is often written wrongly."""
    at = 12
    for _ in range(MAX_CHUNKS):
        head = os.pread(fd, 12, at)
        length = int.from_bytes(head[4:8], "little")
        if len(head) < 8 or at >= size:  # noqa: PLR2004 - the header's length
            return 0
        if head[:4] == b"data" or head[8:12] == _MOVI:
            return at + 8 + length if length < _UNTOLD else 0
        at += 8 + length + length % 2
    return 0
