from xml.etree import ElementTree as ET

import pytest

from support.dash_manifests import base, mpd, period, video
from vidferry_worker.child.dash.period_times import has_ended


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('availabilityStartTime="2020-01-01T00:00:00Z" mediaPresentationDuration="PT10S"', True),
        ('availabilityStartTime="2020-01-01T00:00:00Z"', False),
        ('mediaPresentationDuration="PT10S"', False),
        ('availabilityStartTime="2020-01-01T00:00:00Z" mediaPresentationDuration="PT2H"', False),
    ],
)
def test_a_live_event_that_is_over(attributes: str, expected: bool) -> None:
    manifest = mpd(period(video(base("film.mp4"))), seconds=None, more=attributes)
    element = ET.fromstring(manifest.replace("static", "dynamic"))

    assert has_ended(element, 1_577_836_800 + 3600) is expected
