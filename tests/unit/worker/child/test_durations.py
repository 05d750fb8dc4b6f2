import pytest

from support import hls
from vidferry_worker.child.durations import playlist_duration

TS = ["a.ts", "b.ts", "c.ts"]


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
