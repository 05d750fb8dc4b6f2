"""Nothing but http(s) is read, and no file but the download's own."""

from urllib.parse import quote

import pytest

from system.hostile.island import Island
from system.hostile.test_inward import INNER, untouched

pytestmark = [pytest.mark.hostile, pytest.mark.xdist_group("hostile")]
CODES = {"unsupported_stream", "unsupported_site", "unavailable", "network", "origin_error", "forbidden_address"}


def aims(island: Island) -> list[str]:
    """Addresses that are not http(s); those that begin with a name of ours become relative ones in some places."""
    return [
        f"file://{island.canary}", f"concat:{island.canary}", f"ffconcat:{island.canary}", f"subfile,,:{island.canary}",
        "tcp://169.254.169.254:80", "rtmp://169.254.169.254/x", "rtsp://169.254.169.254/x", "ftp://169.254.169.254/x.mp4",
        "data:video/mp4;base64,AAAA", "ws://169.254.169.254/x",
    ]  # fmt: skip


FTP, WEBSOCKET = 7, 9
"""of the aims, those that yt-dlp speaks by itself"""


@pytest.mark.parametrize("aim", [0, 1, 4, FTP, 8, WEBSOCKET])
@pytest.mark.parametrize(
    "path", ["embed", "segment.m3u8", "variant.m3u8", "key.m3u8", "map.m3u8", "base.mpd", "redirect"]
)
def test_another_scheme_is_refused(path: str, aim: int, guarded: Island) -> None:
    found = guarded.attack(f"http://evil.example/{path}?x={quote(aims(guarded)[aim])}")

    assert found.code in CODES, found
    untouched(found)


@pytest.mark.parametrize("aim", [0, 4, FTP, 8, WEBSOCKET])
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


@pytest.mark.parametrize(
    ("path", "aim"),
    [
        *((path, FTP) for path in ("embed", "source")),
        *((path, aim) for path in ("segment.m3u8", "variant.m3u8", "key.m3u8", "map.m3u8") for aim in (FTP, WEBSOCKET)),
        *(("picture", aim) for aim in (FTP, WEBSOCKET)),
        *(("", aim) for aim in (FTP, WEBSOCKET)),
    ],
)
def test_without_those_refusals_the_canary_is_reached(path: str, aim: int, open_island: Island) -> None:
    """By what yt-dlp speaks; the others it refuses itself."""
    address = aims(open_island)[aim]
    found = open_island.attack(f"http://evil.example/{path}?x={quote(address)}&open" if path else f"{address}?open")

    assert found.hits, found


def test_what_would_need_ffmpegs_network_is_refused(guarded: Island) -> None:
    """A key that yt-dlp does not know: it would hand ffmpeg the manifest's address."""
    found = guarded.attack(f"http://evil.example/foreign-key.m3u8?x={INNER}")

    assert found.code == "unsupported_stream", found
    untouched(found)


def test_without_that_refusal_ffmpeg_reaches_the_canary(open_island: Island) -> None:
    found = open_island.attack(f"http://evil.example/foreign-key.m3u8?x={INNER}&open")

    assert found.hits, found


KINDS = ["hls", "ffconcat", "dash", "sdp"]
TEXT = "is a playlist, or another text"
"""as the log has it where the refusal is ours"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fmt", ["1080-any", "audio-mp3", "1080-mkv"])
def test_a_playlist_in_the_guise_of_media_is_refused(kind: str, fmt: str, guarded: Island) -> None:
    for aim in (str(guarded.canary), "http://169.254.169.254/clip.mp4"):
        found = guarded.attack(f"http://evil.example/disguised-{kind}.mp4?x={quote(aim)}", fmt)

        assert (found.code, TEXT in found.why) == ("unsupported_stream", True), (found.why, found)
        untouched(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fmt", ["audio-mp3", "1080-mkv"])
def test_without_that_refusal_ffmpeg_is_given_it(kind: str, fmt: str, open_island: Island) -> None:
    """Its ffprobe first. Today's follows none of them, by its own defaults."""
    found = open_island.attack(f"http://evil.example/disguised-{kind}.mp4?x={INNER}&open", fmt)

    assert "neither picture nor sound" in found.why, found


def test_so_is_one_among_a_manifests_segments(guarded: Island) -> None:
    found = guarded.attack(f"http://evil.example/disguised-segment.m3u8?x={quote(str(guarded.canary))}")

    assert found.code == "unsupported_stream", found
    untouched(found)
