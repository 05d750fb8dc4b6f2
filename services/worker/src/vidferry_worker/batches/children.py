"""Makes the children of one batch, from its entries."""

import os
from dataclasses import replace
from uuid import uuid4

from vidferry_common.contract.batches import ChildPlace, Entry, child_id
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.trace import continue_trace
from vidferry_common.store import NewJob, OpenBatch, QueueFull, QuotaExceeded, RedisFull, Store
from vidferry_common.tracing import NO_TRACER, Span, SpanKind, Tracer, attributes
from vidferry_common.urls import canonical_url

STRETCH = 100
"""entries that are read from Redis at once"""
FULL_SECONDS = 2.0
"""until the next try, where the queue is full, the owner has as many waiting jobs as allowed, or too many events wait
for receivers"""
MAX_WAIT = 60.0
"""the same, where the owner's bytes of the day are used up: the operator may change that limit"""


class ChildMaker:
    """The children of one batch, made in the order of its entries. Several makers of one batch make none twice."""

    def __init__(self, store: Store, batch: OpenBatch, tracer: Tracer = NO_TRACER) -> None:
        self._store, self._batch, self._tracer = store, batch, tracer
        self._made = batch.made

    @property
    def made(self) -> int:
        """How many children the batch has."""
        return self._made

    async def make_known(self, most: int | None = None) -> float | None:
        """Makes a child of each known entry, and returns None; or the seconds to wait where there is no room for one, 0
        where there may be more than it was to make.

        Raises BatchMovedOn where the batch was cancelled, or another maker is at another entry.
        """
        batch_id, end = self._batch.job.job_id, None if most is None else self._made + most
        while entries := await self._store.batches.read_entries(
            batch_id, self._made, STRETCH if end is None else end - self._made
        ):
            for entry in entries:
                try:
                    await self._make_child(entry)
                except (QueueFull, RedisFull):
                    return FULL_SECONDS
                except QuotaExceeded as refusal:
                    return min(refusal.retry_after, MAX_WAIT) if refusal.limit == "bytes_per_day" else FULL_SECONDS
                self._made += 1
            if self._made == end:
                return 0
        return None

    async def _make_child(self, entry: Entry) -> None:
        span = self._tracer.begin("create downloads", SpanKind.PRODUCER, self._batch.making.traceparent)
        child = new_child(self._batch, self._made, entry)
        if span.recorded:
            child = replace(child, traceparent=span.traceparent)
            span.set({**attributes.messaging("create", "downloads"), "vidferry.job.id": child.job_id})
        await self._store_child(child, entry, span)
        span.end()  # one that finds no room is not recorded: it is tried again every few seconds

    async def _store_child(self, child: NewJob, entry: Entry, span: Span) -> None:
        try:
            url = canonical_url(entry.url)
        except ValueError:
            await self._store.batches.make_failed_child(child, self._batch.making, ErrorCode.INVALID_URL, entry.title)
            span.fail(ErrorCode.INVALID_URL)
        else:
            made = await self._store.batches.make_child(replace(child, url=url), self._batch.making, entry.title)
            span.set({"vidferry.outcome": made.outcome})
            span.add_link(made.followed)


def new_child(batch: OpenBatch, index: int, entry: Entry) -> NewJob:
    """The job of one entry, with the entry's URL as it was written."""
    job, making = batch.job, batch.making
    return NewJob(
        job_id=child_id(job.job_id, index),
        download_id=str(uuid4()),
        epoch=os.urandom(4).hex(),
        url=entry.url,
        format=job.format,
        public_root=making.public_root,
        traceparent=continue_trace(making.traceparent),
        owner=job.owner,
        given_caller=making.caller_digest,
        limits=making.limits,
        partition=making.partition,
        credential=job.credential,
        priority=job.priority,
        force=job.force,
        retry_of=entry.retry_of,
        parent=ChildPlace(job.job_id, index),
        requested_webhook=job.webhook,
        webhook=making.webhook,
    )
