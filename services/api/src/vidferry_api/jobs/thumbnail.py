"""Reads the thumbnail of a job, which Vidferry stores beside the file."""

import logging

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.bucket import Bucket, BucketError, ObjectNotFound, StorageDenied, StorageUnavailable, StoredObject
from vidferry_common.contract import thumbnails
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.store import JobRecord

logger = logging.getLogger(__name__)


async def read_thumbnail(job: JobRecord, services: Services) -> tuple[StoredObject, bytes]:
    """The stored object and its bytes. Raises Problem if there is no thumbnail."""
    name = job.thumbnail
    if job.download_id:
        download = await services.store.downloads.read(job.download_id)
        name = download.thumbnail if download else ""
    picture = await _read_picture(services.bucket, name) if name else None
    if picture is None:
        raise Problem(ProblemCode.NO_THUMBNAIL, "The job has no thumbnail yet, or the video has none.")
    return picture


async def _read_picture(bucket: Bucket, name: str) -> tuple[StoredObject, bytes] | None:
    """The stored object and its bytes; None if it is gone, too large to serve from memory, or not an image."""
    try:
        stored, content = await bucket.read(name, thumbnails.MAX_BYTES)
    except (StorageDenied, StorageUnavailable):
        raise
    except ObjectNotFound:
        return None
    except BucketError as error:
        logger.warning("can't serve a thumbnail", extra={"error": str(error)})
        return None
    return (stored, content) if stored.content_type in thumbnails.MEDIA_TYPES else None
