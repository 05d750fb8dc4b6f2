"""MP4 as far as joining periods needs it (ISO/IEC 14496-12): what a track is, where its fragments are and when."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vidferry_worker.child.dash.elements import UnsupportedTrackError

_FREE = b"free"
_ENTRY = {b"vide": 78, b"soun": 28}
"""bytes of a sample entry before its boxes, by handler"""
_ESDS = re.compile(rb".{4}\x03[\x80-\xff]{0,3}[\0-\x7f]..\x00\x04[\x80-\xff]{0,3}[\0-\x7f]..", re.DOTALL)
"""as far as a buffer's size, the highest and the mean bit rate"""
_RATES = 11


@dataclass(frozen=True, slots=True)
class Box:
    name: bytes
    start: int
    body: int
    """where what it holds begins"""
    end: int


@dataclass(frozen=True, slots=True)
class Track:
    """The facts that have to be the same before one track's fragments can follow another's."""

    handler: bytes
    timescale: int
    samples: bytes
    """the sample descriptions, with what decoders need to know"""


def boxes(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Those that are whole, one after the other; UnsupportedTrackError where it is no MP4."""
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


def _within(data: bytes, path: str, start: int = 0, end: int | None = None) -> Box:
    """The first box along a path; UnsupportedTrackError where there is none."""
    name, _, rest = path.partition("/")
    found = next((box for box in boxes(data, start, end) if box.name == name.encode()), None)
    if found is None:
        raise UnsupportedTrackError(f"an MP4 without {name}")
    return _within(data, rest, found.body, found.end) if rest else found


def track(initialization: bytes) -> Track:
    """The one track of an initialization."""
    movie = _within(initialization, "moov")
    if sum(box.name == b"trak" for box in boxes(initialization, movie.body, movie.end)) != 1:
        raise UnsupportedTrackError("an MP4 of several tracks")
    media, handler, samples = (
        _within(initialization, f"trak/mdia/{path}", movie.body, movie.end)
        for path in ("mdhd", "hdlr", "minf/stbl/stsd")
    )
    try:
        version = initialization[media.body]
        (timescale,) = struct.unpack_from(">I", initialization, media.body + (20 if version == 1 else 12))
        kind = struct.unpack_from("4s", initialization, handler.body + 8)[0]
    except (struct.error, IndexError) as error:
        raise UnsupportedTrackError("an MP4 that ends within a box") from error
    return Track(kind, timescale, _samples(initialization, samples, kind))


def _samples(data: bytes, descriptions: Box, handler: bytes) -> bytes:
    """Sample descriptions without the bit rates in them: those may differ, and decoders don't need them."""
    found = bytearray()
    for entry in boxes(data, descriptions.body + 8, descriptions.end):
        start = min(entry.body + _ENTRY.get(handler, 8), entry.end)
        found += entry.name + data[entry.body : start]
        for box in boxes(data, start, entry.end):
            body = data[box.body : box.end]
            found += b"" if box.name == b"btrt" else box.name + (_without_rates(body) if box.name == b"esds" else body)
    return bytes(found)


def _without_rates(body: bytes) -> bytes:
    """An esds box's body (ISO/IEC 14496-1 §7.2.6.5, §7.2.6.6), where it is of the common form."""
    match = _ESDS.match(body)
    return body[: match.end()] + body[match.end() + _RATES :] if match else body


def later(fragment: bytes, ticks: int) -> bytes:
    """A fragment whose samples come so many ticks later. An index in it, which would not be true any more, goes."""
    moved = bytearray(fragment)
    for box in boxes(fragment):
        if box.name == b"sidx":
            moved[box.start + 4 : box.start + 8] = _FREE
        elif box.name == b"moof":
            for part in boxes(fragment, box.body, box.end):
                if part.name == b"traf":
                    _move(moved, _within(fragment, "tfdt", part.body, part.end), ticks)
    return bytes(moved)


def _move(data: bytearray, box: Box, ticks: int) -> None:
    form = ">Q" if data[box.body] == 1 else ">I"
    try:
        (time,) = struct.unpack_from(form, data, box.body + 4)
        struct.pack_into(form, data, box.body + 4, time + ticks)
    except struct.error as error:
        raise UnsupportedTrackError("a fragment's time has no room for what it becomes") from error


@dataclass(frozen=True, slots=True)
class Index:
    """Where the fragments of a file are, in bytes from its begin, and how long they last."""

    beginning: int
    """how many bytes come before what the index itself takes"""
    timescale: int
    begin: int
    """in ticks"""
    fragments: tuple[tuple[int, int, int], ...]
    """start, end and ticks"""


def index(head: bytes) -> Index:
    """What a file's segment index says (§8.16.3); head is the file's first bytes."""
    box = _within(head, "sidx")
    try:
        version, wide = head[box.body], head[box.body] == 1
        timescale, begin, offset = struct.unpack_from(">IQQ" if wide else ">III", head, box.body + 8)
        at = box.body + 8 + (20 if wide else 12)
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
    return Index(box.start, timescale, begin, tuple(fragments))
