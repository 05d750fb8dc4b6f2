"""Removes from the bucket what the retention rules no longer keep. Only the leader of all workers does it."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing

from vidferry_common.bucket import Bucket, BucketError, ListedObject, ObjectNotFound, PreconditionFailed
from vidferry_common.store import GoneObject, Store, StoreUnavailable
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.retention.rules import RetentionRules, Video, list_videos
from vidferry_worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

LONGEST_WAIT = 2.0
"""seconds until a worker checks again whether it leads now"""


class LeadershipLost(Exception):
    """Another worker leads now, and starts the sweep anew."""


class Sweeper:
    """The task that sweeps the bucket. It is apart from LeaseReaper, which must not wait for a bucket."""

    def __init__(self, store: Store, bucket: Bucket, settings: WorkerSettings, metrics: WorkerMetrics) -> None:
        self._store, self._bucket, self._metrics = store, bucket, metrics
        self._worker, self._interval = settings.worker_name, settings.retention_interval
        self._rules = RetentionRules.from_settings(settings)

    async def run(self) -> None:
        """Until cancelled."""
        while self._rules.are_set:
            wait = LONGEST_WAIT
            try:
                wait = await self._sweep_when_due()
            except StoreUnavailable as error:
                logger.warning("retention waits for Redis", extra={"error": str(error)})
            except LeadershipLost:
                logger.info("another worker continues the sweep")
            await asyncio.sleep(min(wait, LONGEST_WAIT))

    async def _sweep_when_due(self) -> float:
        """Sweeps if a sweep is due. Returns the seconds until the next one may be."""
        due = await self._store.objects.check_sweep_due(self._worker, self._interval)
        if due == 0:
            await self._sweep_bucket()
            due = await self._store.objects.check_sweep_due(self._worker, self._interval, ended=True)
        logger.debug("next sweep scheduled", extra={"seconds": due})
        return LONGEST_WAIT if due is None else due

    async def _sweep_bucket(self) -> None:
        """If the bucket fails, the next sweep removes the rest."""
        try:
            objects, size = await self._remove_all()
        except BucketError as error:
            logger.warning("retention sweep failed", extra={"error": str(error)})
            self._metrics.count_sweep(completed=False)
        else:
            logger.info("retention sweep completed", extra={"objects": objects, "bytes": size})
            self._metrics.count_sweep(completed=True)

    async def _remove_all(self) -> tuple[int, int]:
        """Returns how many objects were removed, and their bytes."""
        cutoff = await self._rules.find_cutoff(self._bucket)
        objects = size = 0
        async with aclosing(list_videos(self._bucket)) as videos:
            async for video in videos:
                for removed in await self._remove_from(video, cutoff):
                    objects, size = objects + 1, size + removed.size
        return objects, size

    async def _remove_from(self, video: Video, cutoff: float) -> list[ListedObject]:
        """Removes old objects of one video and returns them. The thumbnail stays as long as any format does."""
        old = [stored for stored in video.formats if stored.created <= cutoff and self._rules.are_for(stored)]
        removed = await self._remove_objects(old)
        if video.thumbnail and len(removed) == len(video.formats) and self._rules.is_orphaned(video.thumbnail, cutoff):
            removed += await self._remove_objects([video.thumbnail])
        return removed

    async def _remove_objects(self, objects: Sequence[ListedObject]) -> list[ListedObject]:
        if not objects:
            return []
        names = [stored.name for stored in objects]
        marked = await self._store.objects.mark_deleting(self._worker, names)
        if marked is None:
            raise LeadershipLost
        removed: list[ListedObject] = []
        try:
            for stored in objects:
                if stored.name in marked and await self._delete_object(stored):
                    removed.append(stored)  # noqa: PERF401 - what was removed counts also where the next one fails
        finally:
            gone = [GoneObject(each.name, each.version, each.created) for each in removed]
            await self._store.objects.forget(names, gone)
        return removed

    async def _delete_object(self, listed: ListedObject) -> bool:
        """Whether the object is gone: not where it was replaced after it was listed."""
        try:
            await self._bucket.delete(listed.name, listed.version)
        except PreconditionFailed:
            return False
        except ObjectNotFound:
            return True
        logger.debug("object removed", extra={"object": listed.name, "version": listed.version})
        self._metrics.count_removed(listed.size)
        return True
