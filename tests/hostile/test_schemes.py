"""Nothing but http(s) is read, and no file but the download's own."""

from urllib.parse import quote

import pytest

from hostile.island import Island
from hostile.test_inward import untouched

pytestmark = [pytest.mark.hostile, pytest.mark.xdist_group("hostile")]
CODES = {"unsupported_stream", "unsupported_site", "unavailable", "network", "origin_error", "forbidden_address"}


def aims(island: Island) -> list[str]:
    """Addresses that are not http(s); those that begin with a name of ours become relative ones in some places."""
    return [
        f"file://{island.canary}", f"concat:{island.canary}", f"ffconcat:{island.canary}", f"subfile,,:{island.canary}",
        "tcp://169.254.169.254:80", "rtmp://169.254.169.254/x", "rtsp://169.254.169.254/x", "ftp://169.254.169.254/x.mp4",
        "data:video/mp4;base64,AAAA", "ws://169.254.169.254/x",
    ]  # fmt: skip


@pytest.mark.parametrize("aim", [0, 1, 4, 7, 8])
@pytest.mark.parametrize(
    "path", ["embed", "segment.m3u8", "variant.m3u8", "key.m3u8", "map.m3u8", "base.mpd", "redirect"]
)
def test_another_scheme_is_refused(path: str, aim: int, guarded: Island) -> None:
    found = guarded.attack(f"http://evil.example/{path}?x={quote(aims(guarded)[aim])}")

    assert found.code in CODES, found
    untouched(found)


@pytest.mark.parametrize("aim", [0, 4, 8])
def test_a_picture_of_another_scheme_is_left_out(aim: int, guarded: Island) -> None:
    """Pages have pictures in data: addresses; that is no reason to fail."""
    found = guarded.attack(f"http://evil.example/picture?x={quote(aims(guarded)[aim])}&clip")

    assert found.state["status"] == "completed", found
    untouched(found)


@pytest.mark.parametrize("aim", range(10))
def test_a_job_for_another_scheme_is_refused(aim: int, guarded: Island) -> None:
    found = guarded.attack(aims(guarded)[aim])

    assert found.code in CODES, found
    untouched(found)


@pytest.mark.parametrize("kind", ["hls", "ffconcat", "dash", "sdp"])
@pytest.mark.parametrize("fmt", ["1080-any", "audio-mp3", "1080-mkv"])
def test_a_playlist_in_the_guise_of_media_is_refused(kind: str, fmt: str, guarded: Island) -> None:
    for aim in (str(guarded.canary), "http://169.254.169.254/clip.mp4"):
        found = guarded.attack(f"http://evil.example/disguised-{kind}.mp4?x={quote(aim)}", fmt)

        assert found.code == "unsupported_stream", found
        untouched(found)


def test_so_is_one_among_a_manifests_segments(guarded: Island) -> None:
    found = guarded.attack(f"http://evil.example/disguised-segment.m3u8?x={quote(str(guarded.canary))}")

    assert found.code == "unsupported_stream", found
    untouched(found)
