"""The bounds of an extraction whose requests are to have pauses."""

from vidferry_worker.attempt.bounds import extraction_limits, pacing_of
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites.rules import SiteRule


def test_pauses_may_take_as_long_again() -> None:
    settings = WorkerSettings.model_validate({"bucket": "file:///tmp/x", "extract_seconds": 20})
    rule = SiteRule(sleep=3)
    assert pacing_of(settings, rule) == (3, 20)
    assert extraction_limits(settings, rule).seconds == 40
    assert extraction_limits(settings, SiteRule()).seconds == 20
