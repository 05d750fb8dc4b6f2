"""The life of one attempt, from its claim to its end.

Whatever happens, the download ends, goes back to the queue, or belongs to another attempt by then. The attempt's child,
files and tasks are gone.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from vidferry_common.contract import stages
from vidferry_common.contract.bundles import BLAMED
from vidferry_common.contract.errors import ErrorCode, Failure, JobFailure
from vidferry_common.contract.identity import site_of
from vidferry_common.contract.messages import Update, format_timestamp
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.metrics.catalogue import FencedWrite
from vidferry_common.store import (
    Cause,
    Claim,
    DownloadStatus,
    Ending,
    ObjectDeleted,
    Refusal,
    Requeue,
    RequeueOutcome,
    StoreUnavailable,
)
from vidferry_worker.attempt.failures import find_failure, may_be_out_of_memory
from vidferry_worker.attempt.pipeline import JobsMoved, Pipeline
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.attempt.reporter import FenceLost, Reporter
from vidferry_worker.attempt.result import DownloadResult, ResultBuilder
from vidferry_worker.attempt.retry_plan import plan_retry
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.attempt.story import describe_end
from vidferry_worker.attempt.trace import EXTRACT, AttemptTrace
from vidferry_worker.cancellation import clear_cancellation
from vidferry_worker.children.child import ChildEnded
from vidferry_worker.children.work_dir import clear_folder_in_thread
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.context import WorkerContext
from vidferry_worker.retry import until_redis_answers

logger = logging.getLogger(__name__)

HAND_BACK_SECONDS = 5.0
"""within which Redis has to accept it"""
LOGGED_JOBS = 10
"""jobs of a failed download that the log names"""


class Attempt:
    """One attempt of a download, from its claim to its end."""

    def __init__(self, context: WorkerContext, publisher: Publisher, claim: Claim) -> None:
        self._context, self._claim = context, claim
        self._task = asyncio.current_task()
        self._folder = context.folder / f"{claim.download_id}-{claim.attempt}"
        self._removal: asyncio.Future[None] | None = None
        self.lost = False
        """whether it was stopped: another attempt runs, Redis has lost the claim, or nobody wants the video any more"""
        first_update = Update(
            Status.PROCESSING, Stage.STARTED, 0, "", claim.attempt,
            title=claim.last.title, has_thumbnail=claim.last.has_thumbnail, retries=claim.retries,
            max_retries=context.settings.retries,
        )  # fmt: skip
        self._reporter = Reporter(publisher, claim, self.abandon, context.metrics)
        self._trace = AttemptTrace.begin(context.tracer, claim)
        clock = context.metrics.new_stage_clock(self._trace.recorded_id)
        self._state = AttemptState(first_update, self._reporter, clock, self._trace)
        self._site = site_of(claim.url)
        self._rule = context.sites.rules.of(self._site)
        """for all of the attempt, even if the file changes"""
        self._yt_dlp = ""
        """the version that its child was to run; empty where it was to have none"""
        self._is_counted = False

    @property
    def trace(self) -> AttemptTrace:
        return self._trace

    def abandon(self) -> None:
        """Stops the attempt, which sends nothing more: another one has taken over, or nobody wants the video any more.

        Its files are removed at once, since it may take a moment to end where a bucket doesn't answer an upload.
        """
        if self.lost:  # both the lease and a refused message may lead here
            return
        self.lost = True
        self._removal = clear_folder_in_thread(self._folder)
        if self._task:
            self._task.cancel()

    async def run(self) -> None:
        """Runs to the end; raises nothing."""
        try:
            await self._run_to_end()
        except JobsMoved as moved:
            self._count_end("stopped")
            logger.info("another download makes the same object", extra=self._describe())
            await self._trace_move(moved.name)
        except (asyncio.CancelledError, FenceLost) as error:
            clear_cancellation()
            self._task = None  # what follows must not be cancelled
            self.lost = self.lost or isinstance(error, FenceLost)
            self._count_end("stopped")
            if self.lost:
                await self._log_loss()
            else:
                await self._hand_back()
                self._trace.end("handed_back")
        finally:
            self._trace.end("lost")  # unless it has ended
            self._reporter.close()
            if self._removal:
                await self._removal

    async def _trace_move(self, name: str) -> None:
        """Ends the trace with a link to that of the download that makes the object."""
        if self._trace.recorded:
            with contextlib.suppress(StoreUnavailable):
                self._trace.add_link(await self._context.store.downloads.find_maker_trace(self._claim, name))
        self._trace.end("moved")

    async def _log_loss(self) -> None:
        """Logs it as a warning, but not where it only means that the last caller has cancelled."""
        with contextlib.suppress(StoreUnavailable):
            record = await self._context.store.downloads.read(self._claim.download_id)
            if record and (record.status, record.attempt) == (DownloadStatus.ENDED, self._claim.attempt):
                logger.info("attempt stopped: no job waits for it", extra=self._describe())
                self._trace.end("cancelled")
                return
        self._context.metrics.leases_lost.add()
        logger.warning("attempt lost its lease to another attempt", extra=self._describe())

    async def _run_to_end(self) -> None:
        try:
            async with asyncio.timeout(self._context.settings.max_seconds):
                result = await self._make_result()
            await self._count_for_yt_dlp(None)
            await self._end_download(result.update, self._describe_ending(result))
        except (JobsMoved, FenceLost):
            raise
        except Exception as error:
            failure = find_failure(error)
            if failure is None:
                failure = JobFailure(ErrorCode.INTERNAL)
                logger.exception("attempt failed with an unexpected error", extra=self._describe(failure.code))
            else:
                await self._reporter.flush()  # then the jobs are known, which the log names
                logger.log(failure.log_level, "attempt failed", extra=self._describe() | failure.log_fields)
            await self._retry_or_fail(failure)

    def _describe(self, code: ErrorCode | None = None) -> dict[str, Any]:
        """The fields by which an operator finds an attempt in the log."""
        known = {"site": self._site, "job_ids": self._reporter.job_ids[:LOGGED_JOBS]}
        return known if code is None else {**known, "code": code}

    def _log_end(self, update: Update) -> None:
        """Logs the story of the download in one entry."""
        story = describe_end(self._claim, update, self._state.stage_seconds, self._yt_dlp)
        logger.info("download ended", extra=self._describe() | story)

    async def _make_result(self) -> DownloadResult:
        self._state.enter_step(stages.first_step(self._claim.attempt, self._claim.last.message))
        if self._claim.known_object and not self._claim.force:
            reused = await self._reuse_object(self._claim.known_object)
            if reused:
                return reused
        zygote = await self._context.zygotes.started()
        async with zygote.open_folder(self._folder.name) as self._folder:
            return await self._run_child(zygote)

    async def _reuse_object(self, name: str) -> DownloadResult | None:
        """The result from an object that the URL is known to lead to, None where it is not in the bucket any more."""
        results = ResultBuilder(self._context, self._claim, self._state)
        stored = await results.find_and_pin_object(name)
        if stored is None:
            return None
        self._state.enter_step(stages.INFO, title=stored.metadata.get("title"))
        return await results.build_reused(stored)

    async def _run_child(self, zygote: Zygote) -> DownloadResult:
        self._trace.begin_part(EXTRACT)
        memory = self._context.memory_cgroup
        kills = memory.count_oom_kills()
        self._yt_dlp = zygote.engine.yt_dlp  # a zygote that forks no child has failed as well
        child = await zygote.fork(self._folder, self._rule.dial)
        try:
            return await Pipeline(self._context, self._claim, self._state, self._rule, child, self._folder).run()
        except (ChildEnded, JobFailure) as error:
            if may_be_out_of_memory(error) and memory.count_oom_kills() > kills:
                raise JobFailure(ErrorCode.OUT_OF_MEMORY, "the kernel ended processes") from error
            raise
        finally:
            await child.close()

    def _describe_ending(self, result: DownloadResult) -> Ending:
        stored = result.stored
        leads_to = stored.name if result.url_is_stable else ""
        # Also where an earlier attempt has uploaded it, and this one has found it.
        uploaded = stored.size if stored.metadata.get("download") == self._claim.download_id else 0
        return Ending(
            stored.name, stored.version, leads_to, self._context.settings.address_memory, uploaded,
            pinned=stored.name, site_answered=result.update.outcome != "reused",
        )  # fmt: skip

    async def _end_download(self, update: Update, ending: Ending) -> None:
        await self._reporter.flush()
        body = update.body()
        try:
            job_ids = await until_redis_answers(lambda: self._context.store.downloads.finish(self._claim, body, ending))
        except ObjectDeleted:
            raise JobFailure(ErrorCode.STORAGE_UNAVAILABLE, "the object was deleted on request") from None
        if job_ids is None:
            self._context.metrics.fenced_writes.add(FencedWrite.END)
            raise FenceLost
        self._state.finish(update)
        self._reporter.count_sent(job_ids, update, step=True)
        self._context.metrics.count_finished(self._claim, update, self._trace.recorded_id)
        self._trace.end_with(update)
        self._count_end(_outcome_of(update))
        self._log_end(update)

    async def _retry_or_fail(self, failure: JobFailure) -> None:
        """Requeues the download if another try may help, no sooner than the site asked for; otherwise ends it."""
        code, described = failure.code, failure.describe(self._site)
        if not (failure.final and code is ErrorCode.INTERNAL):  # a wrong setting says nothing of yt-dlp
            await self._count_for_yt_dlp(code)
        if failure.final or not code.retryable:
            ending = Ending(site_answered=code.shows_that_site_answers)
            await self._end_download(self._state.current.as_failed(described), ending)
            return
        await self._reporter.flush()
        if code.parks_site:
            await self._pause_site(failure)
            return
        settings, store, retries = self._context.settings, self._context.store, self._claim.retries
        plan = await plan_retry(failure, self._claim, self._yt_dlp, settings, store)
        update = self._state.current.as_waiting(
            plan.message,
            retries=max(retries, min(retries + 1, plan.limit)),
            max_retries=plan.limit,
            retry_at=format_timestamp(datetime.now(UTC) + timedelta(seconds=plan.delay)),
        )
        how = Requeue(Cause.RETRY, update, plan.delay, plan.limit, described, plan.outdated, plan.awaits_bundle)
        self._note_retry(described, await self._requeue_download(how), seconds=round(plan.delay, 3))

    async def _pause_site(self, failure: JobFailure) -> None:
        """Holds the download, and whatever else would go to its site, until the site may answer again. Burns no try."""
        context, claim = self._context, self._claim
        refusal = Refusal(failure.code, claim.url, self._rule.way, failure.retry_after or 0)
        update, described = self._state.current.as_waiting(), failure.describe(self._site)
        outcome = await self._put_back(
            lambda: context.store.pauses.refuse(
                claim.download_id, claim.attempt, refusal, context.settings.pause_rule, update, described
            )
        )
        self._note_retry(described, outcome)

    def _note_retry(self, failed: Failure, outcome: RequeueOutcome, **fields: float) -> None:
        """Counts and logs what became of an attempt that has failed and was to be put back."""
        code, metrics = failed.code, self._context.metrics
        if outcome is not RequeueOutcome.STALE:
            self._count_end(code.fault)
            self._trace.end("retried" if outcome is RequeueOutcome.REQUEUED else Status.FAILED, code)
        if outcome is RequeueOutcome.REQUEUED:
            metrics.retries.add(code)
            logger.info("attempt put back", extra=self._describe(code) | fields)
        elif outcome is RequeueOutcome.ENDED:
            metrics.count_failed(self._claim.created, code, self._trace.recorded_id)
            self._log_end(self._state.current.as_failed(failed))

    async def _count_for_yt_dlp(self, failed: ErrorCode | None) -> None:
        """Counts how the attempt went for the yt-dlp that it ran. Redis is not waited for."""
        if not self._yt_dlp or self._is_counted:
            return
        self._is_counted = True
        self._context.metrics.yt_dlp_attempts.add(self._yt_dlp, failed)
        if failed is None or failed in BLAMED:
            with contextlib.suppress(StoreUnavailable):
                await self._context.store.bundles.count_attempt(
                    self._claim.download_id, self._yt_dlp, worked=failed is None
                )

    async def _hand_back(self) -> None:
        """Requeues the download because the worker stops: another one continues at once, and no try is used up.

        Where Redis does not answer in time, that happens when the lease expires.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._requeue_download(Requeue(Cause.HANDOVER, self._state.current.as_waiting()))
                logger.info("attempt handed back", extra=self._describe())

    async def _requeue_download(self, how: Requeue) -> RequeueOutcome:
        return await self._put_back(
            lambda: self._context.store.downloads.requeue(self._claim.download_id, self._claim.attempt, how)
        )

    async def _put_back(self, ask_redis: Callable[[], Awaitable[RequeueOutcome]]) -> RequeueOutcome:
        outcome = await until_redis_answers(ask_redis)
        if outcome is RequeueOutcome.STALE:
            self._context.metrics.fenced_writes.add(FencedWrite.REQUEUE)
        return outcome

    def _count_end(self, outcome: str) -> None:
        self._context.metrics.count_attempt(self._claim.url, outcome)


def _outcome_of(update: Update) -> str:
    """One of ATTEMPT_OUTCOMES."""
    return update.error.code.fault if update.error else update.outcome
