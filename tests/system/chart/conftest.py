"""One process renders what the tests of the chart look at, and few runs of helm do."""

from pathlib import Path

import pytest

from support.chart import plan_batches
from system.chart.value_sets import SETS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("chart"))


@pytest.fixture(scope="module", autouse=True)
def batches(request: pytest.FixtureRequest) -> None:
    """Of the sets of values in a module's RENDERED, or of the ways to install the chart."""
    plan_batches(getattr(request.module, "RENDERED", SETS.values()))
