"""Walks the bucket when the index was lost or is old, and removes videos whose time has come. The leader does both."""

import asyncio
import logging
from dataclasses import asdict

from vidferry_common.bucket import Bucket, BucketError
from vidferry_common.contract.identity import ROOT
from vidferry_common.objects.entry import entry_of
from vidferry_common.objects.removal import Removal, remove_object
from vidferry_common.store import Store, StoreUnavailable, Walk
from vidferry_worker.indexing.walk import HOLD, BucketWalk, WalkLost, has_expired
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

LONGEST_WAIT = 2.0
"""seconds until a worker checks again whether it leads now"""
LEFTOVER_SECONDS = 7 * 86400.0
"""after which an upload is not under way any more, whatever it is of"""
FIRST_DELAY, MAX_DELAY = 5.0, 300.0
"""seconds after a walk, or a removal, that the bucket did not allow"""
MOST_EXPIRED = 100
"""objects that are removed before the worker looks again whether it leads"""


class Indexer:
    """The task that walks the bucket where that is due. What was left goes on where it was."""

    def __init__(self, store: Store, bucket: Bucket, settings: WorkerSettings, metrics: WorkerMetrics) -> None:
        self._store, self._bucket, self._settings, self._metrics = store, bucket, settings, metrics

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            wait = LONGEST_WAIT
            try:
                wait = await self._walk_when_due()
                failures = 0
            except StoreUnavailable as error:
                logger.warning("indexing waits for Redis", extra={"error": str(error)})
            except WalkLost:
                logger.info("another worker continues the indexing")
            except BucketError as error:
                wait = min(FIRST_DELAY * 2**failures, MAX_DELAY)
                failures += 1
                logger.warning("indexing waits for the bucket", extra={"error": str(error), "seconds": wait})
                await asyncio.sleep(wait)
            await asyncio.sleep(min(wait, LONGEST_WAIT))

    async def _walk_when_due(self) -> float:
        """Returns the seconds until the next walk may be due."""
        settings = self._settings
        found = await self._store.object_index.begin_walk(
            settings.worker_name, interval=settings.reindex_interval, hold=HOLD
        )
        if not isinstance(found, Walk):
            logger.debug("next walk scheduled", extra={"seconds": found})
            return found
        walk = BucketWalk(
            self._store, self._bucket, found, most=settings.indexed_objects, longest_attempt=settings.max_seconds,
            count_removed=self._metrics.count_removed,
        )  # fmt: skip
        logger.info("indexing the bucket", extra={"after": found.after})
        logger.info("the bucket is indexed", extra=asdict(await walk.run()))
        if left := await self._bucket.remove_leftovers(ROOT, LEFTOVER_SECONDS):
            logger.info("leftovers of uploads were removed", extra={"count": left})
        return LONGEST_WAIT


class Expirer:
    """The task that removes stored videos at the time that somebody has given them."""

    def __init__(self, store: Store, bucket: Bucket, settings: WorkerSettings, metrics: WorkerMetrics) -> None:
        self._store, self._bucket, self._metrics = store, bucket, metrics
        self._settings, self._worker = settings, settings.worker_name

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            wait = LONGEST_WAIT
            try:
                await self._remove_expired()
                failures = 0
            except StoreUnavailable as error:
                logger.warning("expiry waits for Redis", extra={"error": str(error)})
            except BucketError as error:
                wait = min(FIRST_DELAY * 2**failures, MAX_DELAY)
                failures += 1
                logger.warning("expiry waits for the bucket", extra={"error": str(error), "seconds": wait})
            await asyncio.sleep(wait)

    async def _remove_expired(self) -> None:
        for entry in await self._store.object_index.find_expired(self._worker, MOST_EXPIRED) or ():
            outcome = await remove_object(self._store, self._bucket, entry, has_expired, pinned_too=False)
            if outcome is Removal.REMOVED:
                logger.info("an expired object was removed", extra={"object": entry.name})
                self._metrics.count_removed(entry.size)
            elif outcome is Removal.KEPT and (stored := await self._bucket.stat(entry.name)):
                # The bucket has another time for it than the index.
                current = entry_of(stored, has_thumbnail=entry.has_thumbnail)
                await self._store.object_index.put(current, self._settings.indexed_objects)
