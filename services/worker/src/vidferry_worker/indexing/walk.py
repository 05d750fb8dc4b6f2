"""A walk of the bucket: puts every stored video into the index, and drops from it what is in the bucket no more."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby

from vidferry_common.bucket import EXPIRES_AT, Bucket, ObjectNotFound, PreconditionFailed, StoredObject
from vidferry_common.contract.identity import ROOT, folder_of, is_stored_by_vidferry, is_video
from vidferry_common.objects.entry import entry_of, parse_expiry
from vidferry_common.objects.removal import Removal, remove_object
from vidferry_common.store import ObjectEntry, Store, Walk

logger = logging.getLogger(__name__)

PAGE = 500
"""objects listed at once. Their metadata may have several KiB each"""
HOLD = 30.0
"""seconds after which another worker goes on with the walk of one that died"""
PAUSE = 0.05
"""seconds after each page, in which Redis and the bucket answer others"""
REPORTED = 50
"""pages between two reports"""


class WalkLost(Exception):
    """Another worker walks now."""


@dataclass(slots=True)
class WalkCounts:
    """What a walk has done so far."""

    objects: int = 0
    expired: int = 0
    thumbnails: int = 0
    """removed, because no video has come to them"""
    dropped: int = 0
    """from the index, because the bucket has them no more"""


def _ignore(_: object) -> None:
    pass


class BucketWalk:
    """One walk of the bucket, from where it was left to its end."""

    def __init__(
        self, store: Store, bucket: Bucket, walk: Walk, *, most: int, longest_attempt: float, pause: float = PAUSE,
        report: Callable[[WalkCounts], object] = _ignore, count_removed: Callable[[int], object] = _ignore,
    ) -> None:  # fmt: skip
        """most: objects in the index. longest_attempt: seconds for which a thumbnail may wait for its video.

        count_removed is called with the bytes of each object that the walk has removed from the bucket.
        """
        self._store, self._bucket, self._walk, self._most = store, bucket, walk, most
        self._longest_attempt, self._pause, self._report = longest_attempt, pause, report
        self._count_removed = count_removed
        self._counts = WalkCounts()

    async def run(self) -> WalkCounts:
        """Raises WalkLost, BucketError or StoreUnavailable; what was put until then stays."""
        pages = 0
        async with aclosing(self._list_videos()) as listing:
            async for listed, objects in listing:
                await self._put_page(listed, objects)
                pages += 1
                if pages % REPORTED == 0:
                    self._report(self._counts)
                await asyncio.sleep(self._pause)
        dropped = await self._store.object_index.end_walk(self._walk, HOLD)
        if dropped is None:
            raise WalkLost
        self._counts.dropped = dropped
        return self._counts

    async def _list_videos(self) -> AsyncGenerator[tuple[float, list[StoredObject]], None]:
        """All objects of whole videos, page by page, each with a time of Redis before all of it was listed."""
        pending: list[StoredObject] = []
        before, _ = await self._store.read_clock()
        listed = before
        async with aclosing(self._bucket.describe_objects(ROOT, self._walk.after, PAGE)) as pages:
            async for page in pages:
                found, last = [*pending, *page], folder_of(page[-1].name)
                complete = [stored for stored in found if folder_of(stored.name) != last]
                if complete:
                    yield before, complete
                    before = listed
                pending = found[len(complete) :]
                listed, _ = await self._store.read_clock()
        if pending:
            yield before, pending

    async def _put_page(self, listed: float, objects: Sequence[StoredObject]) -> None:
        entries: list[ObjectEntry] = []
        for _, group in groupby(objects, lambda stored: folder_of(stored.name)):
            entries += await self._describe_video([each for each in group if is_stored_by_vidferry(each.name)])
        is_ours = await self._store.object_index.put_walked(
            self._walk, entries, listed, objects[-1].name, HOLD, self._most
        )
        if not is_ours:
            raise WalkLost
        self._counts.objects += len(entries)

    async def _describe_video(self, objects: Sequence[StoredObject]) -> list[ObjectEntry]:
        """The entries of one video's objects; removes what has expired, or waits for a video that won't come."""
        formats = [stored for stored in objects if is_video(stored.name)]
        thumbnails = [stored for stored in objects if stored not in formats]
        entries = []
        for stored in formats:
            entry = entry_of(stored, has_thumbnail=bool(thumbnails))
            if has_expired(stored):
                outcome = await remove_object(self._store, self._bucket, entry, has_expired, pinned_too=False)
                self._counts.expired += 1
                if outcome is Removal.REMOVED:
                    self._count_removed(stored.size)
            else:
                entries.append(entry)
        if not formats:
            for thumbnail in thumbnails:
                await self._remove_orphan(thumbnail)
        return entries

    async def _remove_orphan(self, thumbnail: StoredObject) -> None:
        if thumbnail.created > time.time() - self._longest_attempt:
            return
        try:
            await self._bucket.delete(thumbnail.name, thumbnail.version)
            self._counts.thumbnails += 1
            self._count_removed(thumbnail.size)
        except (ObjectNotFound, PreconditionFailed):
            pass


def has_expired(stored: StoredObject) -> bool:
    """Whether the time is past that somebody has given the object."""
    expires = parse_expiry(stored.metadata.get(EXPIRES_AT, ""))
    return expires is not None and expires.timestamp() <= time.time()
