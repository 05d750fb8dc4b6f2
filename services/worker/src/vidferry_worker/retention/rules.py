"""Which stored videos are to be removed: those that are too old, then the oldest while all together are too large."""

import asyncio
import time
from array import array
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby

from vidferry_common.bucket import Bucket, ListedObject
from vidferry_common.contract.identity import ROOT, THUMBNAIL, folder_of, is_stored_by_vidferry
from vidferry_common.objects.entry import parse_expiry
from vidferry_common.store import PINNED_SECONDS
from vidferry_worker.settings import WorkerSettings

DAY = 86400
NEVER = float("-inf")
NEWEST = float("inf")


@dataclass(frozen=True, slots=True)
class Video:
    """The stored objects of one video."""

    formats: Sequence[ListedObject]
    thumbnail: ListedObject | None

    @classmethod
    def from_objects(cls, objects: Sequence[ListedObject]) -> "Video":
        thumbnails = [stored for stored in objects if stored.name.endswith(f"/{THUMBNAIL}")]
        return cls([stored for stored in objects if stored not in thumbnails], thumbnails[0] if thumbnails else None)

    def times_and_sizes(self) -> Iterator[tuple[float, int]]:
        """When each object was made, and its size. The thumbnail counts as made with the newest format.

        What has an expiry of its own counts as the newest: its bytes count, and the rules don't remove it.
        """
        times = [NEWEST if parse_expiry(stored.expires_at) else stored.created for stored in self.formats]
        yield from zip(times, (stored.size for stored in self.formats), strict=True)
        if self.thumbnail:
            yield max([self.thumbnail.created, *times]), self.thumbnail.size


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The rules for what is removed, from the settings."""

    days: float
    bytes: int
    longest_attempt: float
    """seconds. A thumbnail is stored before its video, which may take that long to come."""

    @classmethod
    def from_settings(cls, settings: WorkerSettings) -> "RetentionRules":
        return cls(settings.retention_days, settings.retention_bytes, settings.max_seconds)

    @property
    def are_set(self) -> bool:
        """Whether anything is ever removed."""
        return bool(self.days or self.bytes)

    @staticmethod
    def are_for(stored: ListedObject) -> bool:
        """Whether the rules decide about the object. It is removed at its own time if somebody has given it one."""
        return parse_expiry(stored.expires_at) is None

    async def find_cutoff(self, bucket: Bucket) -> float:
        """Objects made at or before this time, in seconds since 1970, are to be removed."""
        now = time.time()
        age_cutoff = now - self.days * DAY if self.days else NEVER
        size_cutoff = await self._find_size_cutoff(bucket) if self.bytes else NEVER
        return min(max(age_cutoff, size_cutoff), now - PINNED_SECONDS)

    async def _find_size_cutoff(self, bucket: Bucket) -> float:
        """When the newest object was made of those that have to be removed to keep the total below its limit."""
        times, sizes = array("d"), array("q")  # 16 bytes for each object, of which there may be a million
        async with aclosing(list_videos(bucket)) as videos:
            async for video in videos:
                for made_at, size in video.times_and_sizes():
                    times.append(made_at)
                    sizes.append(size)
        return await asyncio.to_thread(_cutoff_by_size, times, sizes, self.bytes)

    def is_orphaned(self, thumbnail: ListedObject, cutoff: float) -> bool:
        """Whether a thumbnail without any format can be removed: its video will not come any more."""
        return thumbnail.created <= min(cutoff, time.time() - self.longest_attempt)


async def list_videos(bucket: Bucket) -> AsyncGenerator[Video, None]:
    """All stored videos, one by one; other objects in the bucket are ignored."""
    pending: list[ListedObject] = []
    async with aclosing(bucket.list_objects(ROOT)) as pages:
        async for page in pages:
            pending += [stored for stored in page if is_stored_by_vidferry(stored.name)]
            *complete, pending = _group_by_video(pending)
            for objects in complete:
                yield Video.from_objects(objects)
    if pending:
        yield Video.from_objects(pending)


def _group_by_video(objects: Sequence[ListedObject]) -> list[list[ListedObject]]:
    """The objects of each video. The next page may have more of the last one."""
    return [list(group) for _, group in groupby(objects, lambda stored: folder_of(stored.name))] or [[]]


def _cutoff_by_size(times: Sequence[float], sizes: Sequence[int], limit: int) -> float:
    total, cutoff = sum(sizes), NEVER
    oldest_first = iter(sorted(range(len(times)), key=times.__getitem__))
    while total > limit and (index := next(oldest_first, None)) is not None and times[index] < NEWEST:
        total, cutoff = total - sizes[index], times[index]
    return cutoff
