"""Reads the thumbnail of a job, which Vidferry stores beside the file."""

import logging

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.bucket import Bucket, BucketError, ObjectNotFound, StorageDenied, StorageUnavailable, StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.store import JobRecord

logger = logging.getLogger(__name__)

MAX_PICTURE = 5 * 1024**2
PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


async def read_thumbnail(job: JobRecord, services: Services) -> tuple[StoredObject, bytes]:
    """The stored object and its bytes. Raises Problem if there is no thumbnail."""
    name = job.thumbnail
    if job.download_id:
        download = await services.store.downloads.read(job.download_id)
        name = download.thumbnail if download else ""
    picture = await _read_picture(services.bucket, name) if name else None
    if picture is None:
        raise Problem(ProblemCode.NO_THUMBNAIL, "There is none yet, or the video has none.")
    return picture


async def _read_picture(bucket: Bucket, name: str) -> tuple[StoredObject, bytes] | None:
    """The stored object and its bytes; None if it is gone, too large to serve from memory, or not an image."""
    try:
        stored, content = await bucket.read(name, MAX_PICTURE)
    except (StorageDenied, StorageUnavailable):
        raise
    except ObjectNotFound:
        return None
    except BucketError as error:
        logger.warning("a picture can't be served", extra={"error": str(error)})
        return None
    return (stored, content) if stored.content_type in PICTURES else None
