"""Which stored videos are kept no longer: those that are too old, then the oldest while all together are too large."""

import asyncio
import time
from array import array
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby

from vidferry_common.bucket import Bucket, ListedObject
from vidferry_common.contract.identity import ROOT, THUMBNAIL, folder_of, is_stored_by_vidferry
from vidferry_common.store import PINNED_SECONDS
from vidferry_worker.settings import WorkerSettings

DAY = 86400
NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Video:
    """All stored objects of one video."""

    formats: Sequence[ListedObject]
    thumbnail: ListedObject | None

    @classmethod
    def of(cls, objects: Sequence[ListedObject]) -> "Video":
        thumbnails = [each for each in objects if each.name.endswith(f"/{THUMBNAIL}")]
        return cls([each for each in objects if each not in thumbnails], thumbnails[0] if thumbnails else None)

    def ages(self) -> Iterator[tuple[float, int]]:
        """When each object was made, and its size. The thumbnail is as old as its last format."""
        for each in self.formats:
            yield each.created, each.size
        if self.thumbnail:
            yield max(each.created for each in (self.thumbnail, *self.formats)), self.thumbnail.size


@dataclass(frozen=True, slots=True)
class Retention:
    """The settings."""

    days: float
    bytes: int
    longest_attempt: float
    """Seconds. A thumbnail comes before its video, so it may belong to one that is on its way for so long."""

    @classmethod
    def of(cls, settings: WorkerSettings) -> "Retention":
        return cls(settings.retention_days, settings.retention_bytes, settings.max_seconds)

    @property
    def limits(self) -> bool:
        """Whether anything is ever removed."""
        return bool(self.days or self.bytes)

    async def cutoff(self, bucket: Bucket) -> float:
        """What was made then or before is kept no longer, in seconds since 1970."""
        now = time.time()
        too_old = now - self.days * DAY if self.days else NEVER
        too_much = await self._last_too_much(bucket) if self.bytes else NEVER
        return min(max(too_old, too_much), now - PINNED_SECONDS)

    async def _last_too_much(self, bucket: Bucket) -> float:
        """When the youngest of those was made that have to go for the sake of the others."""
        moments, sizes = array("d"), array("q")  # 16 bytes an object, also where there are a million
        async with aclosing(list_videos(bucket)) as found:
            async for video in found:
                for moment, size in video.ages():
                    moments.append(moment)
                    sizes.append(size)
        return await asyncio.to_thread(_last_beyond, moments, sizes, self.bytes)

    def outlived(self, thumbnail: ListedObject, cutoff: float) -> bool:
        """Whether a thumbnail without a format is nobody's."""
        return thumbnail.created <= min(cutoff, time.time() - self.longest_attempt)


async def list_videos(bucket: Bucket) -> AsyncGenerator[Video, None]:
    """All that are stored, one by one; what else is in the bucket is left out."""
    pending: list[ListedObject] = []
    async with aclosing(bucket.list_objects(ROOT)) as pages:
        async for page in pages:
            pending += [each for each in page if is_stored_by_vidferry(each.name)]
            *whole, pending = _by_video(pending)
            for objects in whole:
                yield Video.of(objects)
    if pending:
        yield Video.of(pending)


def _by_video(objects: Sequence[ListedObject]) -> list[list[ListedObject]]:
    """The last one may go on in the next page."""
    return [list(group) for _, group in groupby(objects, lambda each: folder_of(each.name))] or [[]]


def _last_beyond(moments: Sequence[float], sizes: Sequence[int], limit: int) -> float:
    total, last = sum(sizes), NEVER
    oldest_first = iter(sorted(range(len(moments)), key=moments.__getitem__))
    while total > limit:
        index = next(oldest_first)
        total, last = total - sizes[index], moments[index]
    return last
