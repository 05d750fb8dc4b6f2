"""How a service waits for Redis and the bucket before it says that it is ready."""

import asyncio
import logging

from vidferry_common.bucket import Bucket, BucketError
from vidferry_common.store import Store, StoreUnavailable

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0


async def wait_for_redis_and_bucket(store: Store, bucket: Bucket, *, writing: bool = False) -> None:
    """Returns once Redis and the bucket answer; until then it logs each second what it waits for.

    writing: the bucket must accept objects too.
    """
    while True:
        try:
            await store.ping()
            await bucket.check(writing=writing)
        except (StoreUnavailable, BucketError) as error:
            logger.warning("not ready yet", extra={"error": str(error)})
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
