"""Signs links to the file of a job."""

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.result import result_filename
from vidferry_common.contract.stages import Status
from vidferry_common.store import JobRecord


async def sign_file_link(job: JobRecord, services: Services) -> str:
    """Signs a link to the job's file: a URL, or a path below the public root if the bucket is a folder.

    Raises Problem if the job has no file, or its file is gone.
    """
    if not job.status.terminal:
        raise Problem(
            ProblemCode.JOB_NOT_ENDED,
            "Wait until the job has ended: connect to its ws_url, or read the job again later.",
        )
    if job.status is not Status.COMPLETED:
        raise Problem(ProblemCode.JOB_FAILED, "Read the job's error for the reason. Create a new job to try again.")
    if job.kind is not JobKind.DOWNLOAD:
        raise Problem(ProblemCode.JOB_FAILED, f"A {job.kind} has no file of its own.")
    stored = await _pin_object(services, job.object) if job.object else None
    if stored is None:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket. Create a new job to download it again."
        )
    is_the_result = job.version == stored.version
    filename = result_filename(job.state) if is_the_result else ""  # a file that replaced it may be of another type
    link = await services.bucket.sign_link(stored, services.settings.link_lifetime, filename)
    return link.url


async def _pin_object(services: Services, name: str) -> StoredObject | None:
    """Pins the object, so that retention keeps it while the link is followed. Returns None if it is gone."""
    return await services.bucket.stat(name) if await services.store.objects.pin(name) else None
