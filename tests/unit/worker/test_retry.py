"""How long what failed waits for its next try."""

import pytest

from vidferry_worker.retry import JITTER, requested_delay


@pytest.mark.parametrize(("asked", "longest", "least"), [(60, 3600, 60), (86400, 3600, 3600), (60, 0, 0), (0, 3600, 0)])
def test_a_site_is_waited_for_within_bounds(asked: float, longest: float, least: float) -> None:
    assert all(least <= requested_delay(asked, longest) <= min(least * JITTER, longest) for _ in range(20))
