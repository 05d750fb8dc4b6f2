"""When and how often to try again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from vidferry_common.store import StoreUnavailable

OUTAGE_DELAY = 0.5
"""seconds between two tries to reach Redis"""
DELAY_FACTOR = 3
MAX_DELAY = 3600.0
JITTER = 1.05
"""A wait that a site asks for is lengthened by up to this factor."""

T = TypeVar("T")


def retry_delay(first: float, retries: int) -> float:
    """Seconds before the next try: three times as long each time, with jitter."""
    longest = min(first * DELAY_FACTOR**retries, MAX_DELAY)
    return random.uniform(longest / 2, longest)  # noqa: S311 - nothing secret


def requested_delay(requested: float, longest: float) -> float:
    """Seconds before the next try where a site asked for a wait: at least that, at most longest, with jitter."""
    delay = min(requested, longest)
    return random.uniform(delay, min(delay * JITTER, longest))  # noqa: S311 - nothing secret


async def until_redis_answers(ask: Callable[[], Awaitable[T]]) -> T:
    """Calls ask until Redis answers. Each ask is one script, and running it twice must do no harm."""
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(OUTAGE_DELAY)
