"""What a worker does while the bucket can't be reached: it informs the watchers, and checks until it answers again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from vidferry_common.bucket import Bucket, BucketError
from vidferry_worker.attempt.state import AttemptState

SHOW_SECONDS = 1.0
CHECK_SECONDS = 5.0
MESSAGE = "The bucket can't be reached. Vidferry will try again automatically."


@contextlib.asynccontextmanager
async def show_outage(bucket: Bucket, state: AttemptState) -> AsyncIterator[None]:
    """Shows the watchers, while the code within waits for the bucket, that it can't be reached."""
    showing = asyncio.create_task(_keep_showing(bucket, state))
    try:
        yield
    finally:
        showing.cancel()


async def _keep_showing(bucket: Bucket, state: AttemptState) -> None:
    while True:
        await asyncio.sleep(SHOW_SECONDS)
        if bucket.health.error and not bucket.health.refuses:
            state.show_progress(message=MESSAGE, speed=None, eta=None)


async def check_failing_bucket(bucket: Bucket) -> None:
    """Until cancelled, checks a bucket that fails: its recovery is noticed even if nothing is uploaded."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        if bucket.health.error:
            with contextlib.suppress(BucketError):
                await bucket.check(writing=True)
