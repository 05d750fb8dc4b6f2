"""Signs links to the file of a job."""

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status
from vidferry_common.store import JobRecord


async def sign_file_link(job: JobRecord, services: Services) -> str:
    """Signs a link to the job's file: a URL, or a path below the public root if the bucket is a folder.

    Raises Problem if the job has no file, or its file is gone.
    """
    if not job.status.terminal:
        raise Problem(ProblemCode.JOB_NOT_ENDED, "Wait for the job's end: follow its ws_url, or ask for it again.")
    if job.status is not Status.COMPLETED:
        raise Problem(ProblemCode.JOB_FAILED, "The job's error says why; make a new job to try again.")
    stored = await _pin_object(services, job.object) if job.object else None
    if stored is None:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket. Make a new job to fetch it again."
        )
    is_the_result = job.generation == str(stored.generation)
    filename = _result_filename(job) if is_the_result else ""  # a file that replaced it may be of another type
    link = await services.bucket.sign(stored, services.settings.link_lifetime, filename)
    return link.url


def _result_filename(job: JobRecord) -> str:
    """The file name in the job's result."""
    return str((job.state.get("result") or {}).get("filename") or "")


async def _pin_object(services: Services, name: str) -> StoredObject | None:
    """Pins the object, so that retention keeps it while the link is followed. Returns None if it is gone."""
    return await services.bucket.stat(name) if await services.store.objects.pin(name) else None
