"""The thumbnail of a job, as Vidferry keeps it beside the file."""

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
    """The object and its bytes; Problem where there is none."""
    name = job.thumbnail
    if job.download_id:
        download = await services.store.downloads.read(job.download_id)
        name = download.thumbnail if download else ""
    picture = await _read_picture(services.bucket, name) if name else None
    if picture is None:
        raise Problem(ProblemCode.NO_THUMBNAIL, "The job has no thumbnail yet, or the video has none.")
    return picture


async def _read_picture(bucket: Bucket, name: str) -> tuple[StoredObject, bytes] | None:
    """The picture and its bytes; None where it is gone, too large to serve from memory, or no picture."""
    try:
        stored, content = await bucket.read(name, MAX_PICTURE)
    except (StorageDenied, StorageUnavailable):
        raise
    except ObjectNotFound:
        return None
    except BucketError as error:
        logger.warning("can't serve a thumbnail", extra={"error": str(error)})
        return None
    return (stored, content) if stored.content_type in PICTURES else None
