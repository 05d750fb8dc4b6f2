"""Which variants of a master playlist have their sound apart, though no codecs tell it."""

import pytest

from vidferry_worker.child.patches.hls_separate_audio import find_video_only_variants

SOUND = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",URI="audio.m3u8"\n'
WITHIN = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English"\n'
WORDS = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="a",NAME="English",URI="words.m3u8"\n'
UNTOLD = '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\n'


@pytest.mark.parametrize(
    ("playlist", "expected"),
    [
        (f"{SOUND}{UNTOLD}low.m3u8\n{UNTOLD}\n# a comment\nhigh.m3u8\n", ["low.m3u8", "high.m3u8"]),
        (f"{UNTOLD}low.m3u8\n{SOUND}", ["low.m3u8"]),
        (f"{WITHIN}{UNTOLD}low.m3u8\n", []),
        (f"{WITHIN}{SOUND}{UNTOLD}low.m3u8\n", ["low.m3u8"]),
        (f"{WORDS}{UNTOLD}low.m3u8\n", []),
        (f"{SOUND}#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n", []),
        (f'{SOUND}#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="b"\nlow.m3u8\n', []),
        (f'{SOUND}#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a",CODECS="avc1.42c016"\nlow.m3u8\n', []),
        (f"{SOUND}{UNTOLD}#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n", []),
        ("#EXTINF:6,\nsegment.ts\n", []),
    ],
)
def test_variants_whose_sound_is_a_list_of_its_own(playlist: str, expected: list[str]) -> None:
    assert list(find_video_only_variants(f"#EXTM3U\n{playlist}")) == expected
