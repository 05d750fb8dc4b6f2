"""Removes a stored video from the bucket, so that no job hands it out meanwhile or afterwards."""

import logging
from collections.abc import Callable
from contextlib import aclosing
from enum import Enum

from vidferry_common.bucket import Bucket, BucketError, ListedObject, ObjectNotFound, PreconditionFailed, StoredObject
from vidferry_common.contract.identity import folder_of, is_video, thumbnail_beside
from vidferry_common.store import GoneObject, ObjectEntry, Store

logger = logging.getLogger(__name__)

SAME_DOWNLOAD = 60.0
"""seconds after a video within which its download has stored the thumbnail, too"""


class Removal(Enum):
    """The outcome of a removal."""

    REMOVED = "removed"
    GONE = "gone"
    """it was not there any more"""
    KEPT = "kept"
    """it was not to be removed, or replaced at this moment"""
    PINNED = "pinned"
    """it is being handed out"""


async def remove_object(
    store: Store, bucket: Bucket, entry: ObjectEntry, may_remove: Callable[[StoredObject], bool], *, pinned_too: bool
) -> Removal:
    """Removes the object as it is in the bucket now, if that may be removed, and its thumbnail if no format is left.

    pinned_too: also where it is being handed out, because somebody asked for it: a job that has found the object and
    not ended yet then fetches the video anew.
    """
    name = entry.name
    if not await store.objects.mark_deleting("", [name], pinned_too=pinned_too):
        return Removal.PINNED
    gone: list[GoneObject] = []
    try:
        stored = await bucket.stat(name)
        if stored is None:
            # Not a later one, which may just have been put.
            gone.append(GoneObject(name, entry.bucket_version, entry.created))
            return Removal.GONE
        if not may_remove(stored):
            return Removal.KEPT
        try:
            await bucket.delete(name, stored.version)
        except PreconditionFailed:
            return Removal.KEPT
        except ObjectNotFound:
            gone.append(GoneObject(name, stored.version, stored.created))
            return Removal.GONE
        gone.append(GoneObject(name, stored.version, stored.created))
    finally:
        await store.objects.forget([name], gone)
    await _remove_orphaned_thumbnail(bucket, stored)
    return Removal.REMOVED


async def _remove_orphaned_thumbnail(bucket: Bucket, removed: StoredObject) -> None:
    """Removes the thumbnail with the last format. One that is newer may be of a download that is under way: the next
    walk of the bucket removes it if no video comes.
    """
    thumbnail: ListedObject | None = None
    try:
        async with aclosing(bucket.list_objects(folder_of(removed.name))) as pages:
            async for page in pages:
                if any(is_video(listed.name) for listed in page):
                    return
                thumbnail = next((each for each in page if each.name == thumbnail_beside(removed.name)), thumbnail)
        if thumbnail and thumbnail.created <= removed.created + SAME_DOWNLOAD:
            await bucket.delete(thumbnail.name, thumbnail.version)
    except (ObjectNotFound, PreconditionFailed):
        pass
    except BucketError as error:
        logger.warning("a thumbnail was left", extra={"object": removed.name, "error": str(error)})
