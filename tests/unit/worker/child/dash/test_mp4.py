import struct

import pytest

from support.dash_manifests import picture_file
from vidferry_worker.child.dash import mp4
from vidferry_worker.child.dash.elements import UnsupportedTrackError


@pytest.mark.parametrize("kept", [0, 7, 30, 300, 600])
def test_an_mp4_that_ends_anywhere_is_no_reason_to_stumble(kept: int) -> None:
    data = picture_file()[:kept]
    for look in (mp4.read_track, mp4.read_segment_index):
        with pytest.raises(UnsupportedTrackError):
            look(data)
    assert mp4.delay_fragment(data, 5) == data


@pytest.mark.parametrize("data", [struct.pack(">I4s", 4, b"moof"), struct.pack(">I4sQ", 1, b"moof", 9)])
def test_boxes_of_nonsense_end(data: bytes) -> None:
    with pytest.raises(UnsupportedTrackError):
        mp4.delay_fragment(data, 1)
