"""Reads the thumbnail of a job, which Vidferry stores beside the file."""

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_api.pictures import read_picture
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.store import JobRecord, Store


async def read_thumbnail(job: JobRecord, services: Services) -> tuple[StoredObject, bytes]:
    """The stored object and its bytes. Raises Problem if there is no thumbnail."""
    name = await find_thumbnail(job, services.store)
    picture = await read_picture(services.bucket, name) if name else None
    if picture is None:
        raise Problem(ProblemCode.NO_THUMBNAIL, "The job has no thumbnail yet, or the video has none.")
    return picture


async def find_thumbnail(job: JobRecord, store: Store) -> str:
    """The thumbnail's name in the bucket; empty if there is none."""
    if not job.download_id:
        return job.thumbnail
    download = await store.downloads.read(job.download_id)
    if download and download.thumbnail:
        return download.thumbnail
    # The job may have ended since it was read: a page asks for the picture just then, if the video was in the bucket.
    ended = await store.jobs.read(job.job_id)
    return ended.thumbnail if ended else ""
