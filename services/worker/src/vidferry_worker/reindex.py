"""`python -m vidferry_worker.reindex`: makes the index of stored videos anew from the bucket, at once."""

import asyncio
import os
import socket
import sys

from vidferry_common.bucket import BucketError, open_bucket
from vidferry_common.settings import load_settings
from vidferry_common.startup import wait_for_redis_and_bucket
from vidferry_common.store import Store, StoreUnavailable, Walk, connect_redis
from vidferry_common.store.client import RedisError, connection_name
from vidferry_worker.indexing.walk import HOLD, BucketWalk, WalkCounts, WalkLost
from vidferry_worker.settings import WorkerSettings


def main() -> None:
    """Ends with 0 when the whole bucket is in the index. A worker goes on where this is ended before."""
    settings = load_settings(WorkerSettings)
    try:
        counts = asyncio.run(_walk(settings))
    except WalkLost:
        sys.exit("Another process indexes the bucket now. Wait until it has ended, or try again.")
    except (BucketError, StoreUnavailable, RedisError) as error:
        sys.exit(f"The bucket can't be indexed now, and a worker will go on later: {error}")
    print(  # noqa: T201 - that is what the command is for
        f"{counts.objects} objects are in the bucket. {counts.dropped} that are gone left the index, {counts.expired} "
        f"had expired, and {counts.thumbnails} thumbnails had no video."
    )


async def _walk(settings: WorkerSettings) -> WalkCounts:
    bucket = open_bucket(settings)
    store = Store(
        connect_redis(settings, connection_name("worker", "reindex")), settings.record_seconds, settings.ended_limits
    )
    try:
        await wait_for_redis_and_bucket(store, bucket, writing=True)
        holder = f"reindex-{socket.gethostname()}-{os.getpid()}"
        walk = await store.object_index.begin_walk(holder, interval=0, hold=HOLD, leads=False, anew=True)
        assert isinstance(walk, Walk)
        return await BucketWalk(
            store, bucket, walk,
            most=settings.indexed_objects, longest_attempt=settings.max_seconds, pause=0, report=_report,
        ).run()  # fmt: skip
    finally:
        await store.close()
        await bucket.close()


def _report(counts: WalkCounts) -> None:
    print(f"{counts.objects} objects so far", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
