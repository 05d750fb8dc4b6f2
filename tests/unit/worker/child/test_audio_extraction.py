"""What a sound becomes, by what ffprobe tells of its file."""

from typing import Any

import pytest

from vidferry_common.contract.formats import Container
from vidferry_worker.child.audio_extraction import plan_extraction

ANY, M4A, MP3 = Container.ANY, Container.M4A, Container.MP3
PICTURE = {"index": 0, "codec_type": "video", "codec_name": "h264"}
COVER = {"index": 9, "codec_type": "video", "codec_name": "png", "disposition": {"attached_pic": 1}}


def heard(codec: str, index: int = 1, *, default: int = 0) -> dict[str, Any]:
    return {"index": index, "codec_type": "audio", "codec_name": codec, "disposition": {"default": default}}


def becomes(
    container: Container, *streams: dict[str, Any], names: str = "mov,mp4,m4a", extension: str = "mp4", size: int = 1000
) -> tuple[str, str] | None:
    """The ending, and the words from the mapping on."""
    facts = {"streams": list(streams), "format": {"format_name": names, "size": str(size)}}
    found = plan_extraction(facts, extension, container)
    return (found.extension, " ".join(found.arguments)) if found else None


@pytest.mark.parametrize(
    ("codec", "ending", "words"),
    [
        ("aac", "m4a", "-c copy"),
        ("opus", "opus", "-c copy"),
        ("wmapro", "wma", "-c copy"),
        ("dts", "mka", "-c copy"),
        ("amr_nb", "mka", "-c copy"),
        ("pcm_alaw", "wav", "-c copy"),
        ("pcm_s16be", "wav", "-c:a pcm_s16le"),
        ("pcm_bluray", "wav", "-c:a pcm_s24le"),
    ],
)
def test_a_sound_with_a_picture_goes_into_its_own_file(codec: str, ending: str, words: str) -> None:
    assert becomes(ANY, PICTURE, heard(codec)) == (ending, f"-map 0:1 -vn -sn -dn {words}")


@pytest.mark.parametrize(
    ("names", "extension", "codec", "stays"),
    [
        ("wav", "unknown_video", "pcm_s16le", True),
        ("ac3", "mp4", "ac3", True),
        ("aiff", "aif", "pcm_s16be", True),
        ("mov,mp4,m4a", "m4a", "alac", True),
        ("matroska,webm", "mka", "dts", True),
        ("mov,mp4,m4a", "mp4", "aac", False),
        ("matroska,webm", "webm", "opus", False),
        ("mpegts", "ts", "aac", False),
        ("aac", "aac", "aac", False),
    ],
)
def test_a_usual_file_of_sound_stays_as_it_is(names: str, extension: str, codec: str, stays: bool) -> None:
    found = becomes(ANY, heard(codec), COVER, names=names, extension=extension)
    assert found
    assert (found == (extension, "")) is stays
    assert becomes(ANY, PICTURE, heard(codec), names=names, extension=extension) != (extension, "")


@pytest.mark.parametrize(
    ("container", "streams", "expected"),
    [
        (ANY, [PICTURE], None),
        (ANY, [COVER], None),
        (MP3, [PICTURE], None),
        (M4A, [heard("alac")], None),
        (M4A, [heard("mp3")], None),
        (M4A, [heard("aac")], ("m4a", "-map 0:1 -vn -sn -dn -c copy")),
        (MP3, [heard("mp3")], ("mp3", "-map 0:1 -vn -sn -dn -c copy")),
        (MP3, [heard("flac")], ("mp3", "-map 0:1 -vn -sn -dn -c:a libmp3lame -b:a 320k")),
        (MP3, [heard("aac")], ("mp3", "-map 0:1 -vn -sn -dn -c:a libmp3lame -q:a 0")),
        (ANY, [heard("aac"), heard("opus", 2, default=1)], ("opus", "-map 0:2 -vn -sn -dn -c copy")),
        (ANY, [heard("aac"), heard("opus", 2)], ("m4a", "-map 0:1 -vn -sn -dn -c copy")),
    ],
)
def test_what_is_asked_for_is_given_or_nothing(
    container: Container, streams: list[dict[str, Any]], expected: tuple[str, str] | None
) -> None:
    assert becomes(container, *streams) == expected


def test_what_is_too_long_for_wav_goes_into_matroska() -> None:
    found = becomes(ANY, PICTURE, heard("pcm_s16be"), size=5 * 1024**3)
    assert found == ("mka", "-map 0:1 -vn -sn -dn -c copy")
