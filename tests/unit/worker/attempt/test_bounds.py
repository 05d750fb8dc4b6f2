"""The bounds of an extraction."""

import pytest

from vidferry_worker.attempt.bounds import extraction_limits, extraction_stall_seconds, pacing_of
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites.rules import SiteRule


def test_pauses_may_take_as_long_again() -> None:
    settings = WorkerSettings.model_validate({"bucket": "file:///tmp/x", "extract_seconds": 20})
    rule = SiteRule(sleep=3)
    assert pacing_of(settings, rule) == (3, 20)
    assert extraction_limits(settings, rule).seconds == 40
    assert extraction_limits(settings, SiteRule()).seconds == 20


@pytest.mark.parametrize(("stall_seconds", "expected"), [(30, 30), (600, 60)])
def test_a_site_that_sends_nothing_has_stalled_before_the_time_is_over(stall_seconds: int, expected: int) -> None:
    told = {"bucket": "file:///tmp/x", "extract_seconds": 120, "stall_seconds": stall_seconds}
    assert extraction_stall_seconds(WorkerSettings.model_validate(told)) == expected
