"""Removes what retention keeps no longer. All workers ask for it, and the leader does it."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing

from vidferry_common.bucket import Bucket, BucketError, ListedObject, ObjectNotFound, PreconditionFailed
from vidferry_common.store import Store, StoreUnavailable
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.retention.rules import Retention, Video, list_videos
from vidferry_worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

LONGEST_WAIT = 2.0
"""seconds until a worker asks again whether it leads now"""


class LeadershipLost(Exception):
    """Another worker leads now, and sweeps from the start."""


class Sweeper:
    """A task of its own: leases that end meanwhile are not kept waiting by a bucket."""

    def __init__(self, store: Store, bucket: Bucket, settings: WorkerSettings, metrics: WorkerMetrics) -> None:
        self._store, self._bucket, self._metrics = store, bucket, metrics
        self._worker, self._interval = settings.worker_name, settings.retention_interval
        self._retention = Retention.of(settings)

    async def run(self) -> None:
        """Until cancelled."""
        while self._retention.limits:
            wait = LONGEST_WAIT
            try:
                wait = await self._sweep_when_due()
            except StoreUnavailable as error:
                logger.warning("retention waits for Redis", extra={"error": str(error)})
            except LeadershipLost:
                logger.info("another worker continues the sweep")
            await asyncio.sleep(min(wait, LONGEST_WAIT))

    async def _sweep_when_due(self) -> float:
        """Seconds until it may be due again."""
        due = await self._store.objects.check_sweep_due(self._worker, self._interval)
        if due == 0:
            await self._sweep()
            due = await self._store.objects.check_sweep_due(self._worker, self._interval, ended=True)
        logger.debug("next sweep scheduled", extra={"seconds": due})
        return LONGEST_WAIT if due is None else due

    async def _sweep(self) -> None:
        """Where the bucket fails, the next sweep tries again: what has gone by then is no longer in its way."""
        try:
            objects, size = await self._remove_all()
        except BucketError as error:
            logger.warning("retention sweep failed", extra={"error": str(error)})
            self._metrics.swept(completed=False)
        else:
            logger.info("retention sweep completed", extra={"objects": objects, "bytes": size})
            self._metrics.swept(completed=True)

    async def _remove_all(self) -> tuple[int, int]:
        """How many objects went, and their bytes."""
        cutoff = await self._retention.cutoff(self._bucket)
        objects = size = 0
        async with aclosing(list_videos(self._bucket)) as found:
            async for video in found:
                for each in await self._remove_from(video, cutoff):
                    objects, size = objects + 1, size + each.size
        return objects, size

    async def _remove_from(self, video: Video, cutoff: float) -> list[ListedObject]:
        """What is removed of one video; the thumbnail stays as long as any format does."""
        gone = await self._remove([each for each in video.formats if each.created <= cutoff])
        if video.thumbnail and len(gone) == len(video.formats) and self._retention.outlived(video.thumbnail, cutoff):
            gone += await self._remove([video.thumbnail])
        return gone

    async def _remove(self, objects: Sequence[ListedObject]) -> list[ListedObject]:
        if not objects:
            return []
        names = [each.name for each in objects]
        marked = await self._store.objects.mark_deleting(self._worker, names)
        if marked is None:
            raise LeadershipLost
        try:
            return [each for each in objects if each.name in marked and await self._delete(each)]
        finally:
            await self._store.objects.unmark(names)

    async def _delete(self, listed: ListedObject) -> bool:
        """Whether it is gone: not where it was replaced since it was listed."""
        try:
            await self._bucket.delete(listed.name, listed.generation)
        except PreconditionFailed:
            return False
        except ObjectNotFound:
            return True
        logger.debug("object removed", extra={"object": listed.name, "generation": listed.generation})
        self._metrics.removed(listed.size)
        return True
