import asyncio
import time

import pytest

from support.children import until
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.metrics.loop_lag import LoopLag

pytestmark = pytest.mark.anyio


async def test_a_call_that_blocks_the_loop_is_seen_until_the_measuring_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_common.metrics.loop_lag.INTERVAL", 0.01)
    lags = Registry(Service.API).loop_lags
    lag = LoopLag(lags)
    lag.start()
    await until(lambda: sum(lags.series_of().counts) >= 3)
    time.sleep(0.3)  # noqa: ASYNC251 - that is what is to be seen
    await asyncio.sleep(0)
    await until(lambda: lags.series_of().sum >= 0.25)
    lag.stop()
    measured = sum(lags.series_of().counts)
    await asyncio.sleep(0.05)
    assert sum(lags.series_of().counts) == measured
