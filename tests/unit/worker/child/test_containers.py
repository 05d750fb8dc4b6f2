"""How streams go into a container, by what ffprobe tells of them."""

from typing import Any

import pytest

from vidferry_common.contract.formats import Container
from vidferry_worker.child.containers import plan_remux

MP4, WEBM, MKV = Container.MP4, Container.WEBM, Container.MKV


def stream(index: int, kind: str, codec: str, *dispositions: str, **more: Any) -> dict[str, Any]:
    size = {"video": {"width": 640}, "audio": {"channels": 2}}.get(kind, {})
    marked = {"disposition": dict.fromkeys(dispositions, 1)}
    return {"index": index, "codec_type": kind, "codec_name": codec, **size, **marked, **more}


PICTURE, SOUND = stream(0, "video", "h264"), stream(1, "audio", "aac")


def mapped(streams: list[dict[str, Any]], container: Container) -> list[int] | None:
    """The streams that are moved."""
    move = plan_remux(streams, container)
    return [int(word[2:]) for word in move.arguments if word.startswith("0:")] if move else None


@pytest.mark.parametrize(
    ("container", "more", "expected"),
    [
        (MP4, [], [0, 1]),
        (MP4, [stream(2, "audio", "ac3")], [0, 1, 2]),
        (MP4, [stream(2, "audio", "pcm_s16le")], [0, 1]),
        (MP4, [stream(2, "audio", "pcm_s16le", "default")], None),
        (MP4, [stream(2, "audio", "vorbis"), stream(3, "audio", "aac", "default")], [0, 1, 3]),
        (MP4, [stream(2, "audio", "truehd", channels=0)], [0, 1]),
        (MP4, [stream(2, "video", "vp8")], [0, 1]),
        (MP4, [stream(2, "subtitle", "subrip"), stream(3, "subtitle", "hdmv_pgs_subtitle")], [0, 1, 2]),
        (MP4, [stream(2, "video", "mjpeg", "attached_pic"), stream(3, "attachment", "ttf")], [0, 1, 2]),
        (MP4, [stream(2, "video", "png", "attached_pic", width=0)], [0, 1]),
        (MP4, [stream(2, "data", "bin_data"), {"index": 3, "codec_type": "audio"}], [0, 1]),
        (MKV, [stream(2, "subtitle", "hdmv_pgs_subtitle"), stream(3, "subtitle", "ttml")], [0, 1, 2]),
        (MKV, [stream(2, "data", "bin_data"), stream(3, "video", "mjpeg", "attached_pic")], [0, 1]),
        (MKV, [{"index": 2, "codec_type": "audio", "channels": 2}], [0, 1]),
        (WEBM, [], None),
    ],
)
def test_what_is_held_goes_along(container: Container, more: list[dict[str, Any]], expected: list[int] | None) -> None:
    assert mapped([PICTURE, SOUND, *more], container) == expected


@pytest.mark.parametrize("container", [MP4, WEBM, MKV])
@pytest.mark.parametrize("streams", [[], [stream(0, "data", "bin_data")], [{"index": 0, "codec_type": "video"}]])
def test_nothing_that_plays_goes_nowhere(streams: list[dict[str, Any]], container: Container) -> None:
    assert plan_remux(streams, container) is None


def test_hevc_in_mp4_has_the_name_that_apples_players_know() -> None:
    move = plan_remux([stream(0, "audio", "aac"), stream(1, "video", "hevc")], MP4)
    assert move
    assert move.arguments[:4] == ["-map", "0:1", "-map", "0:0"]
    assert move.arguments[-2:] == ["-tag:0", "hvc1"]


def test_each_text_is_copied_or_has_its_words_copied() -> None:
    texts = [stream(2, "subtitle", "ass"), stream(3, "subtitle", "mov_text"), stream(4, "subtitle", "dvd_subtitle")]
    move = plan_remux([PICTURE, SOUND, *texts], MKV)
    assert move
    assert [word for word in move.arguments if word.startswith("-c")] == ["-c", "-c:s:1"]
    assert move.arguments[move.arguments.index("-c:s:1") + 1] == "srt"


@pytest.mark.parametrize(("streams", "ending"), [([PICTURE, SOUND], "mkv"), ([SOUND], "mka")])
def test_matroska_without_a_picture_is_named_as_sound(streams: list[dict[str, Any]], ending: str) -> None:
    move = plan_remux([*streams, stream(9, "video", "png", "attached_pic", width=0)], MKV)
    assert move
    assert (move.extension, move.cover) == (ending, (9, "png"))
