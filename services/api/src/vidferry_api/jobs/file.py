"""The file of a job: a signed link to its object."""

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status
from vidferry_common.store import JobRecord


async def sign_file_link(job: JobRecord, services: Services) -> str:
    """A link that was just made: a URL, or a path below the public root where the bucket is a folder.

    Problem where the job has no file, or none any more.
    """
    if not job.status.terminal:
        raise Problem(
            ProblemCode.JOB_NOT_ENDED,
            "Wait until the job has ended: connect to its ws_url, or read the job again later.",
        )
    if job.status is not Status.COMPLETED:
        raise Problem(ProblemCode.JOB_FAILED, "Read the job's error for the reason. Create a new job to try again.")
    stored = await _find_for_link(services, job.object) if job.object else None
    if stored is None:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket. Create a new job to download it again."
        )
    is_the_result = job.generation == str(stored.generation)
    filename = _result_filename(job) if is_the_result else ""  # what replaced it may be of another kind
    link = await services.bucket.sign(stored, services.settings.link_lifetime, filename)
    return link.url


def _result_filename(job: JobRecord) -> str:
    """What the job's result calls its file."""
    return str((job.state.get("result") or {}).get("filename") or "")


async def _find_for_link(services: Services, name: str) -> StoredObject | None:
    """The object, which retention then leaves alone until its link was followed; None where it is gone."""
    return await services.bucket.stat(name) if await services.store.objects.pin(name) else None
