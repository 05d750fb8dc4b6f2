"""How fragments are moved, so that they follow each other in one file."""

import struct

import pytest

from support import hls
from vidferry_worker.child.hls.boxes import BoxError, read_runs, read_tracks
from vidferry_worker.child.hls.discontinuities import TimestampJoiner, is_interchangeable


def box(kind: str, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind.encode()) + body


def fragment(count: int, *durations: int) -> bytes:
    """A fragment of track 1 that begins at 0, with a run that says to have so many samples."""
    numbers = struct.pack(f">{len(durations)}I", *durations)
    run = box("trun", struct.pack(">II", 0x100, count), numbers)
    return box("moof", box("traf", box("tfhd", bytes(4), struct.pack(">I", 1)), box("tfdt", bytes(8)), run))


def test_fragments_are_moved_together() -> None:
    folder = hls.video(hls.FRAGMENTED)
    init, first = ((folder / name).read_bytes() for name in ("init.mp4", "s0.m4s"))
    tracks, joiner = read_tracks(init), TimestampJoiner({3})
    joiner.rewrite_fragment(init, 1)

    ends = {run.track: run.start + run.duration for run in read_runs(joiner.rewrite_fragment(first, 2), tracks)}
    begins = {run.track: run.start for run in read_runs(joiner.rewrite_fragment(first, 3), tracks)}

    seconds = {
        track: (ends[track] / tracks[track].timescale, at / tracks[track].timescale) for track, at in begins.items()
    }
    assert len(seconds) == 2
    assert all(end <= begin + 1e-4 and begin - end < 0.1 for end, begin in seconds.values())
    assert max(begin for _, begin in seconds.values()) - min(begin for _, begin in seconds.values()) < 1e-3


def test_the_first_one_begins_at_zero() -> None:
    """Also where its clock counts from the beginning of an epoch, in units of which a float can't hold as many."""
    epoch = 17_600_000_000_000_000
    init = (hls.video(hls.FRAGMENTED) / "init.mp4").read_bytes()
    start = struct.pack(">IQ", 0x01000000, epoch)
    run = box("trun", struct.pack(">III", 0x100, 1, 1))
    late = box("moof", box("traf", box("tfhd", bytes(4), struct.pack(">I", 1)), box("tfdt", start), run))
    joiner, tracks = TimestampJoiner(()), read_tracks(init)
    joiner.rewrite_fragment(init, 1)

    assert [run.start for run in read_runs(joiner.rewrite_fragment(late, 2), tracks)] == [0]


@pytest.mark.parametrize(
    "content",
    [
        fragment(2**32 - 1, 1, 2), fragment(3, 1), box("moof", box("traf", box("tfhd", b""))), b"\xff" * 100,
        box("moof", box("traf")), struct.pack(">I4sQ", 1, b"moof", 2**63), b"",
    ],
)  # fmt: skip
def test_boxes_that_are_none_are_left_as_they_are(content: bytes) -> None:
    init = (hls.video(hls.FRAGMENTED) / "init.mp4").read_bytes()
    joiner = TimestampJoiner({2})
    joiner.rewrite_fragment(init, 1)

    assert joiner.rewrite_fragment(content, 2) == content
    with pytest.raises(BoxError):
        read_tracks(content)


def test_segments_of_other_forms_are_left_as_they_are() -> None:
    segment = (hls.video() / "s0.ts").read_bytes()

    assert TimestampJoiner({1}).rewrite_fragment(segment, 1) == segment


def test_initialization_sections_that_differ_in_nothing_that_a_fragment_needs_are_interchangeable() -> None:
    made_anew = hls.video(hls.FRAGMENTED, "-metadata", "title=again", "-metadata:s:v:0", "language=fra")
    one, again, other = (
        (each / "init.mp4").read_bytes()
        for each in (hls.video(hls.FRAGMENTED), made_anew, hls.video(hls.FRAGMENTED, "-s", "160x120"))
    )

    assert one != again
    assert is_interchangeable(one, again)
    assert not is_interchangeable(one, other)
