"""Runs probes: takes their tasks, has a child look, and ends them with what it found."""

import contextlib
import logging
from dataclasses import replace

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.identity import site_of
from vidferry_common.contract.probes import Probe
from vidferry_common.log import add_log_fields
from vidferry_common.store import Task
from vidferry_common.store.probes import QUEUE
from vidferry_common.tracing import Span, SpanKind, attributes, log_ids, recorded_trace
from vidferry_worker.attempt.bounds import extraction_stall_seconds
from vidferry_worker.children.protocol import LookOrder, LookPurpose, Probed
from vidferry_worker.context import WorkerContext
from vidferry_worker.looks.look import look_at
from vidferry_worker.retry import until_redis_answers
from vidferry_worker.tasks.task_loop import TaskLoop

logger = logging.getLogger(__name__)

HOLD_SECONDS = 10.0
"""after which another worker looks in the place of one that died, at the most: somebody waits"""
MAX_LOST = 3
"""workers that may die at one probe"""


class ProbeRunner:
    """Does the probes that this worker takes."""

    def __init__(self, context: WorkerContext) -> None:
        self._context, self._probes = context, context.store.probes

    def make_loop(self) -> TaskLoop:
        """The loop that takes the probes."""
        settings, queue = self._context.settings, self._context.store.tasks(QUEUE)
        hold = min(HOLD_SECONDS, settings.lease)
        return TaskLoop(queue, self.run_probe, slots=settings.look_slots, hold=hold, take=self._probes.take)

    async def run_probe(self, task: Task) -> None:
        """Looks at the URL of one probe, and ends it. No failure is tried again: whoever asked can do so."""
        if not await self._probes.begin(task):
            return
        span = self._begin_span(task)
        add_log_fields(**log_ids(span))
        try:
            await self._run(task, span)
        finally:
            span.end()

    def _begin_span(self, task: Task) -> Span:
        span = self._context.tracer.begin("process probes", SpanKind.CONSUMER, task.fields.get("traceparent", ""))
        if span.recorded:
            site = site_of(task.fields["url"])
            span.set({**attributes.messaging("process", "probes"), "vidferry.job.id": task.id, "vidferry.site": site})
        return span

    async def _run(self, task: Task, span: Span) -> None:
        try:
            probe = await self._look(task)
        except JobFailure as failure:
            logger.log(failure.log_level, "probe failed", extra=self._describe(task) | failure.log_fields)
            span.fail(failure.code)
            await self._fail(task, failure, span)
        except Exception:
            logger.exception(
                "probe failed with an unexpected error", extra=self._describe(task) | {"code": ErrorCode.INTERNAL}
            )
            span.fail(ErrorCode.INTERNAL)
            await self._fail(task, JobFailure(ErrorCode.INTERNAL), span)
        else:
            if await until_redis_answers(lambda: self._probes.complete(task, probe)):
                self._count(task, span, completed=True)
                logger.info("probe ended", extra=self._describe(task))

    @staticmethod
    def _describe(task: Task) -> dict[str, str]:
        """The fields that all log entries about a probe have."""
        return {"job_id": task.id, "site": site_of(task.fields["url"])}

    async def _fail(self, task: Task, failure: JobFailure, span: Span) -> None:
        described = failure.describe(site_of(task.fields["url"]))
        if await until_redis_answers(lambda: self._probes.fail(task, described)):
            self._count(task, span, completed=False)

    def _count(self, task: Task, span: Span, *, completed: bool) -> None:
        trace = recorded_trace(span)
        self._context.metrics.count_probe(task.fields["created"], completed=completed, trace=trace)

    async def _look(self, task: Task) -> Probe:
        if task.lost >= MAX_LOST:
            raise JobFailure(ErrorCode.WORKER_LOST, f"{task.lost} workers were lost")
        stall_seconds = extraction_stall_seconds(self._context.settings)
        order = LookOrder(LookPurpose.PROBE, task.fields["url"], task.fields["format"], stall_seconds)
        async with contextlib.aclosing(look_at(self._context, order, task.fields.get("credential", ""))) as reports:
            async for report in reports:
                if isinstance(report, Probed):
                    limit = self._context.settings.max_entries if report.probe.is_list else None
                    return replace(report.probe, batch_limit=limit)
        raise AssertionError  # the iterator ends by an exception only
