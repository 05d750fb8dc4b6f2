"""How late an event loop runs what is due: what a call that blocks it costs all others."""

import asyncio

from vidferry_common.metrics.instruments import Histogram

INTERVAL = 0.25
"""seconds between two measures"""


class LoopLag:
    """Measures the event loop that runs from start to stop. A loop that is blocked for long is measured once."""

    def __init__(self, lags: Histogram) -> None:
        self._observe = lags.series_of().observe
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._measure_at(asyncio.get_running_loop().time() + INTERVAL)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _measure_at(self, due: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(due, self._measure, due)

    def _measure(self, due: float) -> None:
        now = asyncio.get_running_loop().time()
        self._observe(max(0.0, now - due))
        self._measure_at(now + INTERVAL)
