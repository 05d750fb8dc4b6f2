"""How long a video is by what announces it, and how much less is less."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from vidferry_worker.child import expected_duration


def listed(seconds: float, digits: int, count: int) -> str:
    return f"#EXTM3U\n{f'#EXTINF:{seconds:.{digits}f},{chr(10)}x.ts{chr(10)}' * count}"


@pytest.mark.parametrize(
    ("playlist", "seconds", "missed"),
    [
        (listed(6, 6, 100), 594, False),
        (listed(6, 6, 100), 580, True),
        (listed(10, 0, 60), 9.6 * 60, False),  # rounded each: RFC 8216 §4.3.2.1 of old versions
        (listed(10, 0, 60), 300, True),
        (listed(4, 3, 2), 4, True),
        (listed(10, 0, 3), 22, False),  # the length at which it was cut, told of the last one too
        (listed(10, 0, 3), 14, True),
        (listed(0.04, 2, 1), 0.0, False),
    ],
)
def test_how_much_less_is_less(playlist: str, seconds: float, missed: bool) -> None:
    told = expected_duration.from_hls_playlist(playlist)
    assert told
    assert told.missed_by(seconds) is missed


@pytest.mark.parametrize("playlist", ["", "#EXTM3U\n", listed(6, 3, 9) + "#ANVATO-SEGMENT-INFO:type=ad\n"])
def test_lists_that_announce_nothing(playlist: str) -> None:
    assert expected_duration.from_hls_playlist(playlist) is None


def fragments(*seconds: float | None) -> dict[str, Any]:
    return {"fragments": [{"duration": each} for each in seconds]}


@pytest.mark.parametrize(
    ("stream", "least"),
    [
        (fragments(None, 4.0, 4.0, 4.0), 12 - 4 - 0.74),  # the last one may be shorter, as a template tells them
        (fragments(4.0, 4.0, 1.5), 9.5 - 0.69),
        (fragments(None, None), None),
        ({"fragments": iter(())}, None),
        ({}, None),
    ],
)
def test_what_fragments_announce(stream: dict[str, Any], least: float | None) -> None:
    told = expected_duration.from_fragments(stream)
    assert (told and told.seconds - told.tolerated) == (least and pytest.approx(least))


@pytest.mark.parametrize(
    ("inner", "listed", "counts"),
    [("<Period/>", False, True), ("<Period/>", True, False), ("<Period/><Period/>", True, True)],
)
def test_when_what_a_manifest_says_of_the_whole_counts(inner: str, listed: bool, counts: bool) -> None:
    """Not where one period's segments are listed: they may be what is left of a broadcast."""
    mpd = ET.fromstring(f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT1H">{inner}</MPD>')
    whole = expected_duration.from_dash_manifest(mpd)
    own = expected_duration.from_fragments(fragments(4.0, 4.0)) if listed else None

    assert whole
    assert whole.seconds == 3600
    assert (expected_duration.from_whole_manifest(own, {expected_duration.WHOLE_MANIFEST: whole}) is whole) is counts
