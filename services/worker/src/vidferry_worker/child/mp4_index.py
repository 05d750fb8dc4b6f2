"""Where the media of an MP4 or QuickTime file ends, by its own index (ISO/IEC 14496-12).

The sample tables decide, since the length of a box is often wrong. In a fragmented file, and in one without sample
tables, the boxes themselves and the segment index decide.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

FIRST_BOXES = frozenset(
    {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"pnot", b"moof", b"sidx"}
)
"""boxes that a file may begin with"""
MAX_BOXES = 200_000
"""top-level boxes: twelve hours in fragments of a second have 90 thousand"""
MAX_CHILD_BOXES = 100
"""boxes within a box"""
MAX_OFFSET = 2**62
MAX_RUNS, MAX_SAMPLES = 1_000_000, 1_000_000
"""runs of chunks with equally many samples; samples in one chunk"""
_MEDIA = {b"vide", b"soun"}


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the file, by the position of its content."""

    kind: bytes
    start: int
    """where the content begins"""
    end: int


def find_end_of_media(fd: int, size: int) -> int:
    """The offset in bytes at which the media ends; 0 where the index doesn't tell."""
    end = indexed = 0
    tracks: list[int] | None = None
    for box in read_boxes(fd, 0, size, MAX_BOXES):
        if box.kind == b"moov" and box.end <= size and tracks is None:
            tracks = [found for trak in read_boxes(fd, box.start, box.end) if (found := _end_of_track(fd, trak))]
        elif box.kind == b"sidx" and not indexed:
            indexed = _end_by_segment_index(fd, box)
        if box.kind in FIRST_BOXES:  # anything else may be data that was appended to the file
            end = box.end
    return max(tracks) if tracks else max(end, indexed)


def read_boxes(fd: int, start: int, end: int, most: int = MAX_CHILD_BOXES) -> Iterator[Box]:
    """The boxes between two offsets, up to what doesn't look like a box. The last one may reach beyond the end."""
    for _ in range(most):
        head = os.pread(fd, 16, start) if start < min(end, MAX_OFFSET) else b""
        if len(head) < 8:  # noqa: PLR2004 - the header's length
            return
        length, kind, begin = int.from_bytes(head[:4]), head[4:8], start + 8
        if length == 1:
            length, begin = int.from_bytes(head[8:16]), start + 16
        elif length == 0:  # to the end of the file
            length = end - start
        if length < begin - start or not kind.isalnum():
            return
        yield Box(kind, begin, start + length)
        start += length


def _find_box(fd: int, box: Box | None, *path: bytes) -> Box | None:
    """The box at a path within another box."""
    for kind in path:
        box = next((each for each in read_boxes(fd, box.start, box.end) if each.kind == kind), None) if box else None
    return box


def _end_of_track(fd: int, trak: Box) -> int:
    """Where the last chunk of a video or audio track ends (§8.7.3, §8.7.4, §8.7.5); 0 for other tracks."""
    handler = _find_box(fd, trak, b"mdia", b"hdlr")
    table = _find_box(fd, trak, b"mdia", b"minf", b"stbl")
    elsewhere = _find_box(fd, trak, b"mdia", b"minf", b"dinf", b"dref")
    if trak.kind != b"trak" or not handler or os.pread(fd, 4, handler.start + 8) not in _MEDIA:
        return 0
    if not elsewhere or os.pread(fd, 20, elsewhere.start)[19:] != b"\1":  # the samples are in another file
        return 0
    return _end_of_last_chunk(fd, table) if table else 0


def _end_of_last_chunk(fd: int, table: Box) -> int:
    found = {box.kind: box for box in read_boxes(fd, table.start, table.end)}
    chunks, sizes, layout = found.get(b"stco") or found.get(b"co64"), found.get(b"stsz"), found.get(b"stsc")
    count = _read_integer(fd, chunks.start + 4) if chunks else 0
    if not chunks or not sizes or not layout or not count:
        return 0
    width = 4 if chunks.kind == b"stco" else 8
    offset = _read_integer(fd, chunks.start + 8 + (count - 1) * width, width)
    one, total = _read_integer(fd, sizes.start + 4), _read_integer(fd, sizes.start + 8)
    if one:  # all samples have one size; for audio, that may not be the size in the file
        return offset
    return offset + _size_of_last(fd, sizes, total, total - _samples_before_last(fd, layout, count))


def _samples_before_last(fd: int, layout: Box, chunks: int) -> int:
    """How many samples all chunks but the last have: the last chunk may have fewer than its run says."""
    runs = min(_read_integer(fd, layout.start + 4), MAX_RUNS)
    data = os.pread(fd, 12 * runs, layout.start + 8)
    entries = list(struct.iter_unpack(">3I", data[: len(data) // 12 * 12]))
    if not entries:
        return MAX_OFFSET
    ends = [first for first, _, _ in entries[1:]] + [chunks]
    return sum((end - first) * samples for (first, samples, _), end in zip(entries, ends, strict=True))


def _size_of_last(fd: int, sizes: Box, total: int, samples: int) -> int:
    """The size in bytes of the last samples of a track."""
    samples = max(0, min(samples, total, MAX_SAMPLES))
    data = os.pread(fd, 4 * samples, sizes.start + 12 + 4 * (total - samples))
    return sum(struct.unpack(f">{len(data) // 4}I", data[: len(data) // 4 * 4]))


def _end_by_segment_index(fd: int, sidx: Box) -> int:
    """Where the media that a segment index (§8.16.3) refers to ends."""
    head = os.pread(fd, 32, sidx.start)
    wide = head[:1] == b"\1"
    at = 28 if wide else 20
    if len(head) < 32:  # noqa: PLR2004 - the longer form's length
        return 0
    first = int.from_bytes(head[20:28] if wide else head[16:20])
    count = int.from_bytes(os.pread(fd, 2, sidx.start + at + 2))
    entries = os.pread(fd, 12 * count, sidx.start + at + 4)
    return sidx.end + first + sum(int.from_bytes(entries[n : n + 4]) & 0x7FFFFFFF for n in range(0, len(entries), 12))


def _read_integer(fd: int, at: int, width: int = 4) -> int:
    return int.from_bytes(os.pread(fd, width, at))
