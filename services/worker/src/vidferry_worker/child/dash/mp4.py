"""The MP4 boxes that joining periods needs (ISO/IEC 14496-12): a track's description, fragments and timestamps."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vidferry_worker.child.dash.elements import UnsupportedTrackError

_FREE = b"free"
_SAMPLE_ENTRY_BYTES = {b"vide": 78, b"soun": 28}
"""bytes of a sample entry before its child boxes, by handler type"""
_ESDS = re.compile(rb".{4}\x03[\x80-\xff]{0,3}[\0-\x7f]..\x00\x04[\x80-\xff]{0,3}[\0-\x7f]..", re.DOTALL)
"""an esds box up to what may differ"""
_BIT_RATE_BYTES = 11
"""the buffer size, and the maximum and average bit rate"""


@dataclass(frozen=True, slots=True)
class Box:
    """A box, by the offsets of its start, its content and its end."""

    name: bytes
    start: int
    content: int
    """where the content begins"""
    end: int


@dataclass(frozen=True, slots=True)
class Track:
    """What has to be equal for the fragments of one track to follow those of another."""

    handler: bytes
    timescale: int
    sample_descriptions: bytes
    """what a decoder needs to know, without bit rates"""


def read_boxes(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The complete boxes in their order; UnsupportedTrackError where this is not MP4."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        if size < body - start:
            raise UnsupportedTrackError("it is no fragmented MP4")
        if start + size > end:
            return
        yield Box(name, start, body, start + size)
        start += size


def _find_box(data: bytes, path: str, start: int = 0, end: int | None = None) -> Box:
    """The first box at a path; UnsupportedTrackError where there is none."""
    name, _, rest = path.partition("/")
    found = next((box for box in read_boxes(data, start, end) if box.name == name.encode()), None)
    if found is None:
        raise UnsupportedTrackError(f"an MP4 without {name}")
    return _find_box(data, rest, found.content, found.end) if rest else found


def read_track(initialization: bytes) -> Track:
    """The only track of an initialization segment."""
    movie = _find_box(initialization, "moov")
    if sum(box.name == b"trak" for box in read_boxes(initialization, movie.content, movie.end)) != 1:
        raise UnsupportedTrackError("an MP4 of several tracks")
    media, handler, samples = (
        _find_box(initialization, f"trak/mdia/{path}", movie.content, movie.end)
        for path in ("mdhd", "hdlr", "minf/stbl/stsd")
    )
    try:
        version = initialization[media.content]
        (timescale,) = struct.unpack_from(">I", initialization, media.content + (20 if version == 1 else 12))
        kind = struct.unpack_from("4s", initialization, handler.content + 8)[0]
    except (struct.error, IndexError) as error:
        raise UnsupportedTrackError("an MP4 that ends within a box") from error
    return Track(kind, timescale, _comparable_descriptions(initialization, samples, kind))


def _comparable_descriptions(data: bytes, descriptions: Box, handler: bytes) -> bytes:
    """The sample descriptions without bit rates, which may differ and which decoders don't need."""
    found = bytearray()
    for entry in read_boxes(data, descriptions.content + 8, descriptions.end):
        start = min(entry.content + _SAMPLE_ENTRY_BYTES.get(handler, 8), entry.end)
        found += entry.name + data[entry.content : start]
        for box in read_boxes(data, start, entry.end):
            body = data[box.content : box.end]
            found += b"" if box.name == b"btrt" else box.name + (_without_rates(body) if box.name == b"esds" else body)
    return bytes(found)


def _without_rates(body: bytes) -> bytes:
    """The content of an esds box (ISO/IEC 14496-1 §7.2.6.5, §7.2.6.6), without bit rates if it has the common form."""
    match = _ESDS.match(body)
    return body[: match.end()] + body[match.end() + _BIT_RATE_BYTES :] if match else body


def delay_fragment(fragment: bytes, ticks: int) -> bytes:
    """Shifts the decode times of a fragment by so many ticks. A segment index in it would be wrong, and is blanked."""
    moved = bytearray(fragment)
    for box in read_boxes(fragment):
        if box.name == b"sidx":
            moved[box.start + 4 : box.start + 8] = _FREE
        elif box.name == b"moof":
            for part in read_boxes(fragment, box.content, box.end):
                if part.name == b"traf":
                    _delay_decode_time(moved, _find_box(fragment, "tfdt", part.content, part.end), ticks)
    return bytes(moved)


def _delay_decode_time(data: bytearray, box: Box, ticks: int) -> None:
    form = ">Q" if data[box.content] == 1 else ">I"
    try:
        (time,) = struct.unpack_from(form, data, box.content + 4)
        struct.pack_into(form, data, box.content + 4, time + ticks)
    except struct.error as error:
        raise UnsupportedTrackError("a fragment's time has no room for what it becomes") from error


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """A segment index (sidx): the byte ranges and durations of a file's fragments."""

    init_size: int
    """bytes before the index: the initialization segment"""
    timescale: int
    start: int
    """in ticks"""
    fragments: tuple[tuple[int, int, int], ...]
    """start, end and ticks"""


def read_segment_index(head: bytes) -> SegmentIndex:
    """Reads the segment index (§8.16.3) from the first bytes of a file."""
    box = _find_box(head, "sidx")
    try:
        version, wide = head[box.content], head[box.content] == 1
        timescale, begin, offset = struct.unpack_from(">IQQ" if wide else ">III", head, box.content + 8)
        at = box.content + 8 + (20 if wide else 12)
        (count,) = struct.unpack_from(">2xH", head, at)
        listed = [struct.unpack_from(">III", head, at + 4 + 12 * number) for number in range(count)]
    except (struct.error, IndexError) as error:
        raise UnsupportedTrackError("an index that ends too soon") from error
    if version > 1 or not timescale or any(size >> 31 for size, _, _ in listed):
        raise UnsupportedTrackError("an index of indexes")
    fragments, start = [], box.end + offset
    for size, ticks, _ in listed:
        fragments.append((start, start + size, ticks))
        start += size
    return SegmentIndex(box.start, timescale, begin, tuple(fragments))
