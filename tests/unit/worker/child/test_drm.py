"""Which formats' protection ends a download."""

from typing import Any

import pytest

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.drm import check_drm

LOCKED: dict[str, Any] = {"has_drm": True}
PICTURE, SOUND, BOTH = {"acodec": "none"}, {"vcodec": "none"}, dict[str, Any]()
STILLS = {"vcodec": "none", "acodec": "none"}


@pytest.mark.parametrize(
    ("formats", "picture"),
    [
        ([PICTURE | LOCKED, SOUND], True),
        ([PICTURE, SOUND | LOCKED], True),
        ([PICTURE, SOUND | LOCKED], False),
        ([BOTH | LOCKED, SOUND], True),
        ([BOTH | LOCKED, STILLS], False),
        ([PICTURE | LOCKED, SOUND | LOCKED], True),
    ],
)
def test_what_is_there_only_protected_is_protected(formats: list[dict[str, Any]], *, picture: bool) -> None:
    with pytest.raises(JobFailure) as failure:
        check_drm(formats, video=picture)
    assert failure.value.code is ErrorCode.DRM


@pytest.mark.parametrize(
    ("formats", "picture"),
    [
        ([PICTURE | LOCKED, SOUND], False),
        ([PICTURE | LOCKED, SOUND | LOCKED, BOTH], True),
        ([BOTH | LOCKED, PICTURE, SOUND], True),
        ([PICTURE | {"has_drm": "maybe"}, SOUND], True),
        ([STILLS | LOCKED, BOTH], True),
        ([SOUND], True),
        ([], True),
    ],
)
def test_what_can_be_had_in_the_clear_will_do(formats: list[dict[str, Any]], *, picture: bool) -> None:
    check_drm(formats, video=picture)
