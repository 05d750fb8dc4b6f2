"""How long what may help is tried again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from vidferry_common.store import StoreUnavailable

OUTAGE_DELAY = 0.5
"""seconds between two tries to reach Redis"""
DELAY_GROWTH = 3
MAX_DELAY = 3600.0
SPREAD = 1.05
"""of the waits that a site asks for"""

T = TypeVar("T")


def retry_delay(first: float, retries: int) -> float:
    """Seconds before the next try: three times as long each time, and never the same for all that failed together."""
    longest = min(first * DELAY_GROWTH**retries, MAX_DELAY)
    return random.uniform(longest / 2, longest)  # noqa: S311 - nothing secret


def asked_delay(asked: float, longest: float) -> float:
    """Seconds before the next try where a site has asked for so many: those at least, spread a little, of longest."""
    heeded = min(asked, longest)
    return random.uniform(heeded, min(heeded * SPREAD, longest))  # noqa: S311 - nothing secret


async def until_redis_answers(ask: Callable[[], Awaitable[T]]) -> T:
    """An attempt is not lost to an outage; what it says is a script, and saying it twice is harmless."""
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(OUTAGE_DELAY)
