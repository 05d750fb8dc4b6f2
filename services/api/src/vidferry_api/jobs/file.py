"""The file of a job: a signed link to its object."""

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.result import result_filename
from vidferry_common.contract.stages import Status
from vidferry_common.store import JobRecord


async def sign_file_link(job: JobRecord, services: Services) -> str:
    """A link that was just made: a URL, or a path below the public root where the bucket is a folder.

    Problem where the job has no file, or none any more.
    """
    if not job.status.terminal:
        raise Problem(ProblemCode.JOB_NOT_ENDED, "Wait for the job's end: follow its ws_url, or ask for it again.")
    if job.status is not Status.COMPLETED:
        raise Problem(ProblemCode.JOB_FAILED, "The job's error says why; make a new job to try again.")
    stored = await _find_for_link(services, job.object) if job.object else None
    if stored is None:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket. Make a new job to fetch it again."
        )
    is_the_result = job.generation == str(stored.generation)
    filename = result_filename(job.state) if is_the_result else ""  # what replaced it may be of another kind
    link = await services.bucket.sign_link(stored, services.settings.link_lifetime, filename)
    return link.url


async def _find_for_link(services: Services, name: str) -> StoredObject | None:
    """The object, which retention then leaves alone until its link was followed; None where it is gone."""
    return await services.bucket.stat(name) if await services.store.objects.pin(name) else None
