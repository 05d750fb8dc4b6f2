"""Reads the thumbnail of a job, which Vidferry stores beside the file."""

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_api.pictures import read_picture
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.store import JobRecord


async def read_thumbnail(job: JobRecord, services: Services) -> tuple[StoredObject, bytes]:
    """The stored object and its bytes. Raises Problem if there is no thumbnail."""
    name = job.thumbnail
    if job.download_id:
        download = await services.store.downloads.read(job.download_id)
        name = download.thumbnail if download else ""
    picture = await read_picture(services.bucket, name) if name else None
    if picture is None:
        raise Problem(ProblemCode.NO_THUMBNAIL, "The job has no thumbnail yet, or the video has none.")
    return picture
