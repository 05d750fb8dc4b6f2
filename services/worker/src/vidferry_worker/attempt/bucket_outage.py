"""What a worker does while the bucket is away: it tells those who wait for it, and asks until it answers again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from vidferry_common.bucket import Bucket, BucketError
from vidferry_worker.attempt.state import AttemptState

TELL_SECONDS = 1.0
ASK_SECONDS = 5.0
AWAY = "The bucket can't be reached. Vidferry will try again automatically."


@contextlib.asynccontextmanager
async def tell_while_away(bucket: Bucket, state: AttemptState) -> AsyncIterator[None]:
    """Tells the watchers, while the bucket is waited for within, that it can't be reached."""
    telling = asyncio.create_task(_tell(bucket, state))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(bucket: Bucket, state: AttemptState) -> None:
    while True:
        await asyncio.sleep(TELL_SECONDS)
        if bucket.health.error and not bucket.health.refuses:
            state.show_progress(message=AWAY, speed=None, eta=None)


async def ask_until_it_answers(bucket: Bucket) -> None:
    """Asks a bucket that failed, so that its health is known also where nobody uploads. Until cancelled."""
    while True:
        await asyncio.sleep(ASK_SECONDS)
        if bucket.health.error:
            with contextlib.suppress(BucketError):
                await bucket.check(writing=True)
