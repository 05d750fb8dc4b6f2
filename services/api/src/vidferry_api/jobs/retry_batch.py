"""Retries batches that have ended: what did not complete of one becomes a new batch."""

from collections.abc import Sequence

from vidferry_api.http.problems import Problem
from vidferry_api.jobs.create import JobCreator, JobRequest
from vidferry_common.contract.batches import BatchWarning, Entry, PlaylistRequest
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.stages import Status
from vidferry_common.store import Created, JobFilter, JobRecord, Place, Store

PAGE = 200
"""children that are read at once"""


async def retry_batch(batch: JobRecord, creator: JobCreator, key: str | None = None) -> Created:
    """Creates a new batch of the entries that this one did not complete, for the same owner. Raises Problem if it
    completed all, or if the records of those that it did not complete are gone. Raises CallerOverRate before it reads
    them.

    The whole playlist if the batch ended before it was read; what is in the bucket is reused.
    """
    await creator.check_rate(batch.owner)
    asked = JobRequest(
        batch.url,
        batch.format,
        batch.priority,
        batch.force,
        batch.external_id,
        batch.metadata,
        batch.webhook,
        batch.credential,
    )
    counts = batch.state["batch"]["counts"]
    source: Sequence[Entry] | PlaylistRequest
    if batch.playlist is not None and counts["total"] is None:
        source, missing = batch.playlist, 0
    else:
        source = await _find_entries(batch, creator.services.store)
        incomplete = counts["failed"] + counts["cancelled"] + counts["total"] - counts["made"]
        missing = max(0, incomplete - len(source))
    if not source and missing:
        raise Problem(
            ProblemCode.JOB_NOT_FOUND,
            "The jobs of the batch that did not complete were deleted. Create a new batch of their URLs.",
        )
    if not source:
        raise Problem(
            ProblemCode.JOB_COMPLETED,
            "All jobs of the batch have completed. Its children_url lists them.",
        )
    title = batch.state["title"] or ""
    warnings = [BatchWarning.of_deleted_jobs(missing)] if missing else []
    return await creator.create_batch(
        asked, source, retry_of=batch.job_id, owner=batch.owner, key=key, title=title, warnings=warnings
    )


async def _find_entries(batch: JobRecord, store: Store) -> list[Entry]:
    """What is still to be made: the entries of the children that did not complete, and those that a cancelled batch had
    not come to.
    """
    children = await _read_children(batch, store)
    again = [Entry(job.url, job.state["title"] or "", retry_of=job.job_id) for job in children]
    return [*again, *await store.batches.read_entries(batch.job_id)]


async def _read_children(batch: JobRecord, store: Store) -> list[JobRecord]:
    which = JobFilter(batch.owner, frozenset({Status.FAILED, Status.CANCELLED}), batch=batch.job_id)
    jobs: list[JobRecord] = []
    place: Place | None = None
    while True:
        page = await store.job_lists.read_page(which, PAGE, place)
        jobs += page.jobs
        place = page.next_place
        if place is None:
            return jobs
