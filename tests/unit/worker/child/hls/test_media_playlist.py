"""What yt-dlp gets of a media playlist, and which ones are refused."""

import pytest

from support import hls
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.hls.media_playlist import Section, rewrite_media_playlist
from vidferry_worker.child.hls.tags import split_lines

URL = "http://site/v/list.m3u8?a=b%20c&empty="
TS = ["a.ts", "b.ts", "c.ts"]


def written(playlist: str) -> list[str]:
    """The lines of what yt-dlp gets, without the head."""
    playlist = rewrite_media_playlist(split_lines(playlist), URL, lambda one, other: one == other).text
    return playlist.removeprefix(hls.HEAD).splitlines()


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
        rewrite_media_playlist(split_lines(playlist), URL, differ)
    assert seen == [(Section("http://site/v/i", 9, 0), Section("http://site/v/i", 9, 9))]


def test_the_section_of_a_missing_segment_is_none_that_others_need() -> None:
    one, gap = '#EXT-X-MAP:URI="i"\n', '#EXT-X-MAP:URI="j"\n#EXT-X-GAP\n#EXTINF:1.0,\nlost.ts\n'
    found = written(hls.HEAD + one + hls.segments(TS[:1]) + gap + one + hls.segments(TS[1:]))

    assert [line for line in found if not line.startswith("#EXTINF")] == ['#EXT-X-MAP:URI="http://site/v/i"', *TS]


KEYED = '#EXT-X-KEY:METHOD=AES-128,URI="k"'
REFUSALS = {
    "map-after-segments": hls.HEAD + hls.segments(TS[:1]) + '#EXT-X-MAP:URI="i"\n' + hls.segments(TS[1:]),
    "i-frames-only": hls.a_list(TS, head="#EXT-X-I-FRAMES-ONLY\n"),
    "sample-aes": hls.a_list(TS, head='#EXT-X-KEY:URI="key",METHOD=SAMPLE-AES\n'),
    "no-segments": hls.HEAD + hls.END,
    "all-missing": hls.HEAD + hls.segments(TS, "#EXT-X-GAP\n") + hls.END,
    "nothing": "#EXTM3U\n",
    "key-without-address": hls.a_list(TS, head="#EXT-X-KEY:METHOD=AES-128\n"),
    "vector-that-is-none": hls.a_list(TS, head=f"{KEYED},IV=0xgg\n"),
    "range-that-is-none": hls.a_list(TS, head="#EXT-X-BYTERANGE:all\n"),
}


@pytest.mark.parametrize("playlist", REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_put_into_one_file_is_refused(playlist: str) -> None:
    with pytest.raises(JobFailure) as failure:
        written(playlist)
    assert failure.value.code is ErrorCode.UNSUPPORTED_STREAM
