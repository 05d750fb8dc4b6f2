"""HLS lists as text: what is made of them, and what bounds that."""

import struct
from pathlib import Path

import pytest

from support import hls_media as hls
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child.durations import playlist_duration
from vidferry_worker.child.hls.boxes import BoxError, read_runs, read_tracks
from vidferry_worker.child.hls.discontinuities import TimestampJoiner
from vidferry_worker.child.hls.media_playlist import Section, rewrite_media_playlist
from vidferry_worker.child.hls.multivariant_playlist import MAX_ENTRIES, rewrite_multivariant_playlist
from vidferry_worker.child.hls.tags import MAX_LINE_LENGTH, MAX_LINES, parse_attributes, split_lines
from vidferry_worker.child.hls.variables import MAX_VARIABLES, substitute_variables

ADDRESS = "http://site/v/list.m3u8?a=b%20c&empty="
TS = ["a.ts", "b.ts", "c.ts"]


def written(playlist: str) -> list[str]:
    """The lines of what yt-dlp gets, without the head."""
    playlist = rewrite_media_playlist(split_lines(playlist), ADDRESS, lambda one, other: one == other).text
    return playlist.removeprefix(hls.HEAD).splitlines()


@pytest.mark.parametrize(
    ("playlist", "seconds"),
    [
        (hls.a_list(TS), 3),
        (hls.a_list(TS).replace("\n", "\r\n"), 3),
        (hls.a_list(TS).replace("b.ts", "#EXT-X-GAP\nb.ts"), 2),
        (hls.a_list(TS).replace("#EXTINF:1.0,\nb.ts", "#EXT-X-GAP\n#EXTINF:1.0,\nb.ts"), 2),
        (hls.a_list(TS).replace("#EXTINF:1.0,\nb.ts", "#EXT-X-DISCONTINUITY\n#EXTINF:1.0,\nb.ts"), 3),
        (hls.a_list(TS).replace("#EXTINF:1.0,\nb.ts", "#UPLYNK-SEGMENT:x,ad\n#EXTINF:1.0,\nb.ts"), 1),
        (hls.a_list(TS).replace("#EXTINF:1.0,\nc.ts", "#ANVATO-SEGMENT-INFO: type=master\n#EXTINF:1.0,\nc.ts"), 3),
        (hls.a_list(TS).replace("1.0,", "2,two"), 6),
        (hls.a_list(TS).replace("1.0,", "x,"), 0),
        ("", 0),
    ],
)
def test_a_list_is_as_long_as_what_is_played_of_it(playlist: str, seconds: float) -> None:
    assert playlist_duration(playlist) == seconds


def test_numbers_that_keys_depend_on_are_written_out_where_yt_dlp_counts_others() -> None:
    head = '#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n'

    found = written(hls.a_list(TS, head=head).replace("#EXTINF:1.0,\nb.ts", "#EXT-X-GAP\n#EXTINF:1.0,\nb.ts"))

    assert found == [
        "#EXT-X-MEDIA-SEQUENCE:7", '#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXTINF:1.0,", "a.ts",
        f'#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x{9:032x}', "#EXTINF:1.0,", "c.ts", "#EXT-X-ENDLIST",
    ]  # fmt: skip


def test_offsets_are_written_out() -> None:
    ranges = ["#EXT-X-BYTERANGE:10@5\n", "#EXT-X-BYTERANGE:20\n", "#EXT-X-BYTERANGE:30\n"]
    names = ["a?signature=1", "a?signature=2", "b"]

    found = written(hls.HEAD + "".join(each + hls.segments([name]) for each, name in zip(ranges, names, strict=True)))

    assert [line for line in found if line.startswith("#EXT-X-BYTERANGE")] == [
        "#EXT-X-BYTERANGE:10@5", "#EXT-X-BYTERANGE:20@15", "#EXT-X-BYTERANGE:30@0"
    ]  # fmt: skip


def test_sections_are_compared_by_url_and_range() -> None:
    seen: list[tuple[Section, Section]] = []

    def differ(one: Section, other: Section) -> bool:
        seen.append((one, other))
        return False

    first, second = (f'#EXT-X-MAP:URI="i",BYTERANGE="9@{at}"\n' for at in (0, 9))
    playlist = hls.HEAD + first + hls.segments(TS) + first + hls.segments(TS) + second + hls.segments(TS)

    with pytest.raises(JobFailure):
        rewrite_media_playlist(split_lines(playlist), ADDRESS, differ)
    assert seen == [(Section("http://site/v/i", 9, 0), Section("http://site/v/i", 9, 9))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{$a}/{$b}", "1/2"),
        ('#EXT-X-KEY:URI="{$a}"', '#EXT-X-KEY:URI="1"'),
        ("#EXTINF:1,{$a}", "#EXTINF:1,{$a}"),
        ("{$a", "{$a"),
        ("{$nested}", "{$a}"),
        ("{$query}", "b c"),
    ],
)
def test_variables_are_replaced_once(line: str, expected: str) -> None:
    defined = [
        '#EXT-X-DEFINE:NAME="a",VALUE="1"', '#EXT-X-DEFINE:IMPORT="b"', '#EXT-X-DEFINE:NAME="nested",VALUE="{$a}"',
        '#EXT-X-DEFINE:QUERYPARAM="query"',
    ]  # fmt: skip

    lines, variables = substitute_variables([*defined, line], "http://site/?query=b%20c", {"b": "2"})

    assert lines == [expected]
    assert variables == {"a": "1", "b": "2", "nested": "{$a}", "query": "b c"}


def test_a_list_without_definitions_may_have_braces() -> None:
    assert substitute_variables(["{$a}"], ADDRESS, {"a": "1"}) == (["{$a}"], {})


@pytest.mark.parametrize(
    "lines",
    [
        ['#EXT-X-DEFINE:NAME="a",VALUE="1"', "{$b}"],
        ["{$a}", '#EXT-X-DEFINE:NAME="a",VALUE="1"'],
        ['#EXT-X-DEFINE:QUERYPARAM="empty"'],
        ["#EXT-X-DEFINE:"],
        [f'#EXT-X-DEFINE:NAME="{at}",VALUE=""' for at in range(MAX_VARIABLES + 1)],
        [f'#EXT-X-DEFINE:NAME="a",VALUE="{"x" * 100_000}"', *["{$a}" * 20] * 100],
    ],
    ids=["undefined", "too-early", "empty", "nothing", "too-many", "too-long"],
)
def test_variables_that_are_refused(lines: list[str]) -> None:
    with pytest.raises(JobFailure):
        substitute_variables(lines, ADDRESS, {})


def test_a_list_of_too_many_lines_is_refused() -> None:
    with pytest.raises(JobFailure):
        split_lines("a\n" * (MAX_LINES + 1))


def test_a_list_with_a_line_without_end_is_refused() -> None:
    with pytest.raises(JobFailure):
        split_lines("a" * (MAX_LINE_LENGTH + 1))


@pytest.mark.parametrize("lines", ["#EXT-X-STREAM-INF:BANDWIDTH=1\na\n", "#EXT-X-MEDIA:TYPE=AUDIO\n", "a\n"])
def test_a_list_that_names_too_many_others_is_refused(lines: str) -> None:
    """Also behind one tag: yt-dlp makes a format of each address."""
    with pytest.raises(JobFailure):
        rewrite_multivariant_playlist("#EXTM3U\n" + lines * (MAX_ENTRIES + 1), ADDRESS)


def test_attributes_may_hold_commas_and_be_empty() -> None:
    assert parse_attributes('#EXT-X-MEDIA:A="b,C=d",E="",F=g h, I=j') == {"A": "b,C=d", "E": "", "F": "g h", "I": "j"}


def test_lists_of_i_frames_are_no_variants() -> None:
    stream = "#EXT-X-STREAM-INF:BANDWIDTH=1"
    master = f'#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:URI="i.m3u8"\n{stream}\ni.m3u8\n{stream}\nv.m3u8\n'

    assert rewrite_multivariant_playlist(master, ADDRESS).text.splitlines()[2:] == [stream, "v.m3u8"]


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
    segment = (Path(hls.video()) / "s0.ts").read_bytes()

    assert TimestampJoiner({1}).rewrite_fragment(segment, 1) == segment
