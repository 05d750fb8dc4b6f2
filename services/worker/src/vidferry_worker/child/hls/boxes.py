"""The boxes of fragmented MP4 (ISO/IEC 14496-12) with the timestamps of fragments."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BOXES = 100_000
"""boxes of an initialization section or a fragment: more than there are samples in it"""
_HEADER = 8
_DURATION, _DEFAULT_DURATION, _DATA_OFFSET, _FIRST_FLAGS = 0x100, 0x8, 0x1, 0x4
_BEFORE_DEFAULT_DURATION = ((0x1, 8), (0x2, 4))
"""fields of a tfhd that may stand before its default duration, and their bytes"""
_SAMPLE_FIELDS = (0x100, 0x200, 0x400, 0x800)

Span = tuple[int, int]
"""the offsets at which a box's content begins and ends"""


@dataclass(frozen=True)
class Track:
    """A track of an initialization section: what must be equal for another section's fragments to fit it."""

    timescale: int
    sample_description: bytes
    """the content of the stsd box"""
    default_duration: int
    """the duration of samples whose fragment has none"""


class BoxError(ValueError):
    """The bytes are not the expected boxes."""


def find_boxes(data: bytes | bytearray, kinds: str, span: Span | None = None) -> Iterator[Span]:
    """The boxes at a path such as `moof/traf/tfdt`, in their order."""
    kind, _, inner = kinds.partition("/")
    for found, begin, end in _read_boxes(data, span or (0, len(data))):
        if found == kind.encode():
            if inner:
                yield from find_boxes(data, inner, (begin, end))
            else:
                yield begin, end


def _read_boxes(data: bytes | bytearray, span: Span) -> Iterator[tuple[bytes, int, int]]:
    at, last = span
    for _ in range(MAX_BOXES):
        if at + _HEADER > last:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        begin = at + _HEADER
        if size == 1 and begin + 8 <= last:
            size, begin = struct.unpack_from(">Q", data, begin)[0], begin + 8
        end = last if size == 0 else at + size
        if not begin <= end <= last:
            raise BoxError("a box that is longer than what it is in")
        yield kind, begin, end
        at = end


def read_tracks(section: bytes) -> dict[int, Track]:
    """The tracks of an initialization section, by track ID; BoxError where it has none."""
    try:
        durations = {
            _read_uint32(section, begin + 4): _read_uint32(section, begin + 12)
            for begin, _ in find_boxes(section, "moov/mvex/trex")
        }
        tracks = dict([_read_track(section, trak, durations) for trak in find_boxes(section, "moov/trak")])
    except (struct.error, StopIteration, IndexError) as error:
        raise BoxError("a track that tells too little") from error
    if not tracks:
        raise BoxError("no track")
    return tracks


def _read_track(section: bytes, trak: Span, durations: dict[int, int]) -> tuple[int, Track]:
    tkhd, _ = next(find_boxes(section, "tkhd", trak))
    mdhd, _ = next(find_boxes(section, "mdia/mdhd", trak))
    begin, end = next(find_boxes(section, "mdia/minf/stbl/stsd", trak))
    # Version 1 has times of 8 bytes instead of 4 before these fields.
    number = _read_uint32(section, tkhd + (20 if section[tkhd] else 12))
    timescale = _read_uint32(section, mdhd + (20 if section[mdhd] else 12))
    return number, Track(timescale or 1, section[begin:end], durations.get(number, 0))


def _read_uint32(data: bytes | bytearray, at: int) -> int:
    return int(struct.unpack_from(">I", data, at)[0])


@dataclass(frozen=True)
class SampleRun:
    """The samples of one track in a fragment: start and duration, and where the start is written."""

    track: int
    start: int
    duration: int
    time_offset: int
    is_64_bit: bool
    """whether the start is written in eight bytes instead of four"""


def read_runs(fragment: bytes | bytearray, tracks: dict[int, Track]) -> list[SampleRun]:
    """The runs of a fragment that have a start time (tfdt)."""
    try:
        return [run for traf in find_boxes(fragment, "moof/traf") if (run := _read_run(fragment, traf, tracks))]
    except (struct.error, StopIteration, IndexError) as error:
        raise BoxError("a fragment that tells too little") from error


def _read_run(fragment: bytes | bytearray, traf: Span, tracks: dict[int, Track]) -> SampleRun | None:
    tfhd, _ = next(find_boxes(fragment, "tfhd", traf))
    tfdt = next(find_boxes(fragment, "tfdt", traf), None)
    number = _read_uint32(fragment, tfhd + 4)
    if tfdt is None or number not in tracks:
        return None
    default = _default_duration(fragment, tfhd, tracks[number].default_duration)
    duration = sum(_sum_durations(fragment, begin, default) for begin, _ in find_boxes(fragment, "trun", traf))
    is_long = fragment[tfdt[0]] == 1
    begin = struct.unpack_from(">Q" if is_long else ">I", fragment, tfdt[0] + 4)[0]
    return SampleRun(number, begin, duration, tfdt[0] + 4, is_long)


def _default_duration(fragment: bytes | bytearray, tfhd: int, otherwise: int) -> int:
    flags = _read_uint32(fragment, tfhd) & 0xFFFFFF
    if not flags & _DEFAULT_DURATION:
        return otherwise
    return _read_uint32(fragment, tfhd + 8 + sum(size for flag, size in _BEFORE_DEFAULT_DURATION if flags & flag))


def _sum_durations(fragment: bytes | bytearray, trun: int, default: int) -> int:
    flags, count = _read_uint32(fragment, trun) & 0xFFFFFF, _read_uint32(fragment, trun + 4)
    if not flags & _DURATION:
        return count * default
    first = trun + 8 + sum(4 for flag in (_DATA_OFFSET, _FIRST_FLAGS) if flags & flag)
    step = sum(4 for flag in _SAMPLE_FIELDS if flags & flag)
    if count > (len(fragment) - first) // step:
        raise BoxError("more samples than there are bytes")
    return sum(_read_uint32(fragment, first + at * step) for at in range(count))
