import pytest

from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child.hls.multivariant_playlist import MAX_ENTRIES, rewrite_multivariant_playlist

URL = "http://site/v/list.m3u8"


@pytest.mark.parametrize("lines", ["#EXT-X-STREAM-INF:BANDWIDTH=1\na\n", "#EXT-X-MEDIA:TYPE=AUDIO\n", "a\n"])
def test_a_list_that_names_too_many_others_is_refused(lines: str) -> None:
    """Also behind one tag: yt-dlp makes a format of each address."""
    with pytest.raises(JobFailure):
        rewrite_multivariant_playlist("#EXTM3U\n" + lines * (MAX_ENTRIES + 1), URL)


def test_lists_of_i_frames_are_no_variants() -> None:
    stream = "#EXT-X-STREAM-INF:BANDWIDTH=1"
    master = f'#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:URI="i.m3u8"\n{stream}\ni.m3u8\n{stream}\nv.m3u8\n'

    assert rewrite_multivariant_playlist(master, URL).text.splitlines()[2:] == [stream, "v.m3u8"]


def test_a_media_playlist_has_a_target_duration() -> None:
    """Without one, yt-dlp takes it for a list of lists."""
    written = rewrite_multivariant_playlist("#EXTM3U\n#EXTINF:1,\na.ts\n", URL)

    assert written.text == "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n"
