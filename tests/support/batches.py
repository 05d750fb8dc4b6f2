"""Batches that tests make in Redis, and children that they move on in a worker's place."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from support.records import CAP, Records, new_job
from vidferry_common.contract import keys
from vidferry_common.contract.batches import Entry, PlaylistRequest, child_id
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.store import Claim, Ending, NewJob, OpenBatch, Task, entries_digest
from vidferry_worker.batches.entry_source import EntryPage, EntrySource
from vidferry_worker.batches.maker import TURN, BatchMaker

QUEUE_BYTES = 2**30


class NoPlaylists:
    """A source of entries that reads no playlist."""

    async def read_entries(
        self,
        playlist: PlaylistRequest,
        known: Sequence[Entry],
        credential: str = "",  # noqa: ARG002 - as the protocol says
    ) -> AsyncGenerator[EntryPage, None]:
        raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"not read, with {len(known)} known entries: {playlist.url}")
        yield


async def new_batch(records: Records, source: Sequence[str] | PlaylistRequest, cap: int = CAP, **fields: Any) -> NewJob:
    """A batch of these URLs, or of a playlist."""
    if isinstance(source, PlaylistRequest):
        job = new_job(url=source.url, kind=JobKind.BATCH, asked={"playlist": source}, **fields)
        await records.store.batches.create(job, None, cap, QUEUE_BYTES)
        return job
    entries = [Entry(url) for url in source]
    job = new_job(url="none", kind=JobKind.BATCH, asked={"urls": entries_digest(entries)}, **fields)
    await records.store.batches.create(job, entries, cap, QUEUE_BYTES)
    return job


async def take_batch(records: Records) -> Task:
    """The batch that is due."""
    (task,), _ = await records.store.batches.tasks.take(1, 30)
    return task


async def made(records: Records, source: Sequence[str] | PlaylistRequest, **fields: Any) -> NewJob:
    """A batch whose children a worker has made."""
    batch = await new_batch(records, source, **fields)
    for _ in range(1 if isinstance(source, PlaylistRequest) else 1 + len(source) // TURN):
        await records.redis.zadd(keys.BATCHES, {batch.job_id: 0})  # its turn has come
        await make(records)
    return batch


async def make(records: Records, source: EntrySource | None = None) -> None:
    """A worker does what is to be done of the batch that is due."""
    await BatchMaker(records.store, source or NoPlaylists()).make(await take_batch(records))


async def read(records: Records, batch: NewJob) -> OpenBatch:
    found = await records.store.batches.read(batch.job_id)
    assert found is not None
    return found


async def claim_child(records: Records, batch: NewJob, index: int) -> Claim:
    child = await records.store.jobs.read(child_id(batch.job_id, index))
    assert child is not None
    claim = await records.store.leases.claim(child.download_id, 1, 60, "worker")
    assert claim is not None
    return claim


async def end_child(records: Records, batch: NewJob, index: int, update: Update) -> None:
    claim = await claim_child(records, batch, index)
    assert await records.store.downloads.finish(claim, update.body(), Ending()) is not None


def completed(size: int = 0, downloaded: int | None = None) -> Update:
    result: Any = {"title": '"size":7', "size": size}
    return Update(Status.COMPLETED, Stage.DONE, 100, "Done", 1, downloaded_bytes=downloaded, result=result)


async def counts(records: Records, batch: NewJob) -> dict[str, int]:
    """As the batch's document tells them, without those that are zero."""
    told = (await records.state(batch.job_id))["data"]["batch"]["counts"]
    return {name: count for name, count in told.items() if count}
