"""Does the tasks of batches: has their children made, reads their playlists, looks after them until they have ended."""

import contextlib
import logging
import time
from collections import Counter
from contextlib import aclosing

from vidferry_common.contract.batches import BatchWarning, PlaylistRequest
from vidferry_common.contract.errors import JobFailure
from vidferry_common.contract.identity import site_of
from vidferry_common.contract.trace import trace_id
from vidferry_common.log import add_log_fields
from vidferry_common.store import BatchMovedOn, OpenBatch, RedisFull, Store, Task
from vidferry_common.tracing import NO_TRACER, SpanKind, Tracer, attributes
from vidferry_worker.batches.children import FULL_SECONDS, ChildMaker
from vidferry_worker.batches.entry_source import EntrySource
from vidferry_worker.retry import retry_delay

logger = logging.getLogger(__name__)

NO_ROOM_SECONDS = 3600.0
"""for which a batch that has nothing else to do waits for room for more entries of its playlist"""
IDLE_SECONDS = 60.0
"""Between two looks at a batch whose children are all made. One that has not moved since is counted anew."""
MAX_READING = 16
"""Batches of one worker that read a playlist, or wait for the slot of one that does. The other slots are for batches
that wait for nobody, so that slow playlists hold up no lists of URLs."""
MAX_READING_OF_CALLER = 4
"""The same of one caller, so that the slow playlists of one hold up none of the others for long."""
TURN = 50
"""children that are made of one batch before the others that are due have their turns, so that a thousand large batches
don't have a small one wait until all of theirs are made"""
LOOKS_PER_SECOND = 100
"""at the batches that have not ended, over all workers, as soon as there are so many that each could not be looked at
as often as it should be: else a thousand small batches that wait would keep the workers busy with looking"""
READING_TRIES = 4
"""of a playlist that can't be read for now"""
READING_DELAY = 5.0
"""seconds before the second try, as retry_delay() takes them"""


class BatchMaker:
    """The handler of the batches' tasks. A batch's task stays on the queue until the batch has ended."""

    def __init__(self, store: Store, source: EntrySource, tracer: Tracer = NO_TRACER) -> None:
        self._store, self._queue, self._source, self._tracer = store, store.batches.tasks, source, tracer
        self._reading: Counter[str] = Counter()
        """by callers"""

    async def make(self, task: Task) -> None:
        """Makes what can be made now, and lets the task be done again later."""
        batch = await self._store.batches.read(task.id)
        if batch is not None:
            add_log_fields(trace_id=trace_id(batch.making.traceparent))
        if batch is None:
            await self._queue.finish(task)
        elif batch.stopped == "cancelled":  # whoever cancelled it may have died amid its children
            await self._store.batches.cancel(task.id)
            await self._queue.put_back(task, _pause(batch, IDLE_SECONDS))
        elif batch.stopped or batch.made == batch.total:
            if batch.idle >= IDLE_SECONDS:
                await self._store.batches.settle(batch)
            await self._queue.put_back(task, _pause(batch, IDLE_SECONDS))
        else:
            await self._trace_making(batch, task)

    async def _trace_making(self, batch: OpenBatch, task: Task) -> None:
        """Makes children, in a span. One that had nothing to make, since there is no room, is not recorded."""
        maker, began = ChildMaker(self._store, batch, self._tracer), time.time_ns()
        error = await self._make_children(batch, task, maker)
        if maker.made == batch.made and not error:
            return
        told = {
            **attributes.messaging("process", "batches"),
            "vidferry.job.id": task.id,
            "vidferry.children": maker.made - batch.made,
        }
        span = self._tracer.begin("process batches", SpanKind.CONSUMER, batch.making.traceparent, told, start=began)
        if error:
            span.fail(error)
        span.end()

    async def _make_children(self, batch: OpenBatch, task: Task, maker: ChildMaker) -> str:
        """Returns the error code if the playlist can't be read."""
        try:
            wait = await maker.make_known(TURN)
            if wait != 0 and batch.total is None and batch.job.playlist is not None:
                if not self._may_read(batch):
                    await self._queue.put_back(task, _pause(batch, FULL_SECONDS))
                    return ""
                await self._read_playlist(batch, batch.job.playlist, maker)
                wait = await maker.make_known(TURN)
        except BatchMovedOn:  # cancelled, or another worker is ahead: the next look tells
            await self._queue.put_back(task)
        except RedisFull:
            now = await self._store.batches.read(task.id)  # it may have gone on before it found no more room
            if now is not None and _waits_in_vain(now):
                await self._give_up_reading(now)
            await self._queue.put_back(task, _pause(batch, FULL_SECONDS))
        except JobFailure as failure:
            await self._put_off_reading(batch, task, failure)
            return failure.code
        else:
            await self._queue.put_back(task, _pause(batch, IDLE_SECONDS if wait is None else wait))
        return ""

    def _may_read(self, batch: OpenBatch) -> bool:
        """Whether a place is free for a batch that reads a playlist."""
        own = self._reading[batch.making.caller_digest]
        return own < MAX_READING_OF_CALLER and self._reading.total() < MAX_READING

    async def _read_playlist(self, batch: OpenBatch, playlist: PlaylistRequest, maker: ChildMaker) -> None:
        """Reads the rest of a playlist, and makes children meanwhile. Raises RedisFull, BatchMovedOn, JobFailure."""
        batch_id, start, queue_bytes = batch.job.job_id, batch.entries, batch.making.queue_bytes
        add_entries, caller = self._store.batches.add_entries, batch.making.caller_digest
        self._reading[caller] += 1
        try:
            await add_entries(batch_id, start, (), queue_bytes)  # asks no site where its answer would find no room
            known = await self._store.batches.read_entries(batch_id, 0, start) if start else []
            async with aclosing(self._source.read_entries(playlist, known, batch.job.credential)) as pages:
                async for page in pages:
                    await add_entries(
                        batch_id, start, page.entries, queue_bytes, title=page.title, warnings=page.warnings
                    )
                    start += len(page.entries)  # also where another worker, that took this one for dead, has added more
                    await maker.make_known()
            await add_entries(batch_id, start, (), queue_bytes, complete=True)
        finally:
            self._reading[caller] -= 1
            self._reading += Counter()  # forgets callers that read none

    async def _give_up_reading(self, batch: OpenBatch) -> None:
        """Lets a batch end with what it has of its playlist, so that others get the room that its entries take."""
        warnings, queue_bytes = [BatchWarning.of_full_queue()], batch.making.queue_bytes
        with contextlib.suppress(RedisFull, BatchMovedOn):  # the next look tells
            await self._store.batches.add_entries(
                batch.job.job_id, batch.entries, (), queue_bytes, warnings=warnings, complete=True
            )
            logger.info(
                "a playlist is not read on for want of room",
                extra={"job_id": batch.job.job_id, "owner": batch.job.owner or None},
            )

    async def _put_off_reading(self, batch: OpenBatch, task: Task, failure: JobFailure) -> None:
        """The playlist can't be read: tries again later where that may help, else the batch fails."""
        tries = int(task.fields.get("tries", 0)) + 1
        tries_allowed = READING_TRIES if failure.code.most_retries is None else 1 + failure.code.most_retries
        logger.log(
            failure.log_level,
            "a playlist can't be read",
            extra={"job_id": task.id, "owner": batch.job.owner or None, "tries": tries, **failure.log_fields},
        )
        if failure.code.retryable and not failure.final and tries < tries_allowed:
            await self._queue.put_back(task, failure.retry_after or retry_delay(READING_DELAY, tries - 1), tries=tries)
        else:
            site = site_of(batch.job.playlist.url) if batch.job.playlist else ""
            await self._store.batches.fail(batch.job.job_id, failure.describe(site))
            await self._queue.put_back(task, _pause(batch, IDLE_SECONDS))


def _waits_in_vain(batch: OpenBatch) -> bool:
    """Whether a batch keeps room while it only waits for more: if all of those that read playlists do, none goes on."""
    counts = batch.job.state["batch"]["counts"]
    is_done = 0 < batch.entries == batch.made and not counts["queued"] + counts["processing"]
    return batch.total is None and is_done and batch.idle >= NO_ROOM_SECONDS


def _pause(batch: OpenBatch, seconds: float) -> float:
    """The seconds until the next look at the batch: more than that where many others are to be looked at."""
    crowded = batch.all_open / LOOKS_PER_SECOND
    return crowded if crowded > max(seconds, FULL_SECONDS) else seconds


class NewsPublisher:
    """The handler of the tasks that publish the newest state of batches, some moments after a message before it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def publish(self, task: Task) -> None:
        await self._store.batches.publish(task.id)
