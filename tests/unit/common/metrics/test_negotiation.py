"""Who gets OpenMetrics, and who text."""

import pytest

from vidferry_common.metrics.negotiation import choose_form
from vidferry_common.metrics.registry import Form

PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
PROMETHEUS_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.5,"
LATER = "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2 + LATER,
        PROMETHEUS_3 + LATER,
        "application/openmetrics-text",
        'text/plain, Application/OpenMetrics-Text ; Version="1.0.0"',
    ],
)
def test_who_asks_for_it_gets_openmetrics(accept: str) -> None:
    assert choose_form(accept) is Form.OPENMETRICS


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=x,;;=,",
        "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5",
    ],
)
def test_everybody_else_gets_text(accept: str) -> None:
    assert choose_form(accept) is Form.TEXT
