import itertools

import pytest
from pydantic import ValidationError

from vidferry_common.contract.formats import AUDIO_CONTAINERS, VIDEO_CONTAINERS, Container, Format, Quality

ALL = [
    (quality, container)
    for quality, container in itertools.product(Quality, Container)
    if container in (AUDIO_CONTAINERS if quality is Quality.AUDIO else VIDEO_CONTAINERS)
]
REFUSED = [pair for pair in itertools.product(Quality, Container) if pair not in ALL]


def test_the_canonical_spelling_is_read_back_and_is_each_formats_own() -> None:
    formats = [Format(quality=quality, container=container) for quality, container in ALL]

    assert [Format.parse(each.canonical()) for each in formats] == formats
    assert len({each.canonical() for each in formats}) == len(ALL)


def test_containers_that_do_not_fit_are_refused_with_those_that_do() -> None:
    for quality, container in REFUSED:
        with pytest.raises(ValidationError, match="container must be one of: any, "):
            Format(quality=quality, container=container)


def test_both_kinds_are_there() -> None:
    assert (Quality.AUDIO, Container.MP4) in REFUSED
    assert (Quality.P720, Container.MP3) in REFUSED
    assert (Quality.AUDIO, Container.ANY) in ALL


@pytest.mark.parametrize("text", ["", "-", "1080", "1080-", "-any", "4320-any", "audio-mp4", "1080-any-x", "BEST-any"])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Format.parse(text)


def test_the_default_plays_everywhere() -> None:
    assert Format().canonical() == "1080-any"


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        Format.model_validate({"quality": "best", "options": "--exec"})


def test_lines() -> None:
    assert [quality.lines for quality in Quality] == [None, 2160, 1440, 1080, 720, 480, 360, None]
