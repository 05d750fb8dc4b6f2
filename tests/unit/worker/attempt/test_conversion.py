import math

import pytest

from vidferry_worker.attempt.conversion import ConversionProgress
from vidferry_worker.children.protocol import Converting


def test_a_run_moves_the_bar_and_tells_its_end() -> None:
    conversion = ConversionProgress()
    for second in range(6):
        conversion.update(Converting(100 * second, 1000), second)

    assert conversion.progress == pytest.approx(85 + 0.8 * 5 * 0.5)
    assert conversion.eta(5) == pytest.approx(5)
    assert conversion.eta(7) == pytest.approx(3)  # nothing was written since, which is how ffmpeg writes


def test_runs_after_the_first_have_room_too() -> None:
    conversion, bar = ConversionProgress(), []
    for run in range(4):
        for written in (0, 500, 1000):
            conversion.update(Converting(written, 1000), 10 * run + written / 100)
            bar.append(conversion.progress)

    assert bar == sorted(bar)
    assert bar[-1] < 90
    assert bar[5] > bar[2]


def test_more_than_was_expected_is_not_the_end() -> None:
    conversion = ConversionProgress()
    for second, written in enumerate((0, 900, 5000)):
        conversion.update(Converting(written, 1000), second)

    assert (conversion.progress, conversion.eta(2)) == (89, 0)


def test_what_is_not_known_is_not_told() -> None:
    conversion = ConversionProgress()
    for second in range(5):
        conversion.update(Converting(second, None), second)

    assert (conversion.progress, conversion.eta(5)) == (85, None)


@pytest.mark.parametrize("value", [0, 1.5, 5e-324, 2**53 - 1])
@pytest.mark.parametrize("field", ["written", "expected"])
def test_extreme_figures_break_nothing(field: str, value: float) -> None:
    conversion = ConversionProgress()
    for second in range(3):
        told = {"written": 5.0 * second, "expected": 100.0, field: value}
        conversion.update(Converting(**told), second)

        assert 85 <= conversion.progress < 90
        eta = conversion.eta(second)
        assert eta is None or (eta >= 0 and math.isfinite(eta))
