"""The life of one attempt: whatever happens, it ends the record, or puts it back, or has lost it to another attempt.

And its child, its files and its tasks are gone when it returns.
"""

import asyncio
import contextlib
import errno
import logging
from datetime import UTC, datetime, timedelta

from vidferry_common.bucket import BucketError, StorageDenied
from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.messages import Update, timestamp
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.store import (
    Cause,
    Claim,
    DownloadStatus,
    Ending,
    Requeue,
    RequeueOutcome,
    StoreUnavailable,
)
from vidferry_worker.attempt.pipeline import Merged, Pipeline
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.attempt.reporter import FenceLost, Reporter
from vidferry_worker.attempt.result import DownloadResult, ResultBuilder
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.children.work_dir import clear_in_thread
from vidferry_worker.children.zygote import ChildEnded
from vidferry_worker.context import WorkerContext
from vidferry_worker.retry import asked_delay, retry_delay, until_redis_answers

logger = logging.getLogger(__name__)

HAND_BACK_SECONDS = 5.0


class Attempt:
    """One claim, from its first message to its last."""

    def __init__(self, context: WorkerContext, publisher: Publisher, claim: Claim) -> None:
        self._context, self._claim = context, claim
        self._task = asyncio.current_task()
        self._folder = context.folder / f"{claim.download_id}-{claim.attempt}"
        self._clearing: asyncio.Future[None] | None = None
        self.lost = False
        """to another attempt, with Redis' memory of it, or because nobody waits for it any more"""
        begun = Update(
            Status.PROCESSING, Stage.STARTED, 0, "", claim.attempt,
            title=claim.last.title, has_thumbnail=claim.last.has_thumbnail, retries=claim.retries,
            max_retries=context.settings.retries,
        )  # fmt: skip
        self._reporter = Reporter(publisher, claim, self.abandon, context.metrics)
        self._state = AttemptState(begun, self._reporter, context.metrics.stages())
        self._log = {"download_id": claim.download_id, "attempt": claim.attempt}

    def abandon(self) -> None:
        """Another attempt has taken over, or nobody wants the video any more: this one stops and says nothing more.

        Its files go at once: an upload that a bucket does not answer may keep it from its end for a moment.
        """
        if self.lost:  # both its lease and its messages tell
            return
        self.lost = True
        self._clearing = clear_in_thread(self._folder)
        if self._task:
            self._task.cancel()

    async def run(self) -> None:
        """Works, and settles the record; raises nothing."""
        try:
            await self._settle()
        except Merged:
            logger.info("another download makes the same object", extra=self._log)
        except (asyncio.CancelledError, FenceLost) as error:
            _clear_cancellation()
            self._task = None  # what is left is not to be stopped
            self.lost = self.lost or isinstance(error, FenceLost)
            if self.lost:
                await self._log_loss()
            else:
                await self._hand_back()
        finally:
            self._reporter.close()
            if self._clearing:
                await self._clearing

    async def _log_loss(self) -> None:
        """What people did is no warning: that of the last who waited, most of all."""
        with contextlib.suppress(StoreUnavailable):
            record = await self._context.store.downloads.read(self._claim.download_id)
            if record and (record.status, record.attempt) == (DownloadStatus.ENDED, self._claim.attempt):
                logger.info("attempt stopped: no job waits for it", extra=self._log)
                return
        logger.warning("attempt lost its lease to another attempt", extra=self._log)

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(self._context.settings.max_seconds):
                result = await self._work()
            await self._end(result.update, self._ending(result))
        except (Merged, FenceLost):
            raise
        except JobFailure as failure:
            logger.warning("attempt failed", extra={**self._log, "code": failure.code, "detail": failure.detail})
            await self._fail(failure.code, final=failure.final, asked=failure.retry_after)
        except TimeoutError:
            await self._fail(ErrorCode.TIMED_OUT)
        except (BucketError, ChildEnded, OSError) as error:
            logger.warning("attempt failed", extra=self._log, exc_info=True)
            await self._fail(_code(error))
        except Exception:
            logger.exception("attempt failed with an unexpected error", extra=self._log)
            await self._fail(ErrorCode.INTERNAL)

    async def _work(self) -> DownloadResult:
        self._state.enter_step(stages.started(self._claim.attempt, self._claim.last.message))
        if self._claim.known_object and not self._claim.force:
            results = ResultBuilder(self._context, self._claim, self._state)
            known = await results.find_object(self._claim.known_object)
            if known:
                self._state.enter_step(stages.INFO, title=known.metadata.get("title"))
                return await results.build_reused(known)
        self._folder.mkdir(mode=0o700)
        try:
            kills = self._context.memory.kills()
            child = await self._context.zygote.fork(self._folder)
            try:
                return await Pipeline(self._context, self._claim, self._state, child, self._folder).run()
            except (ChildEnded, JobFailure) as error:
                if _may_be_the_kernels(error) and self._context.memory.kills() > kills:
                    raise JobFailure(ErrorCode.OUT_OF_MEMORY, "the kernel ended processes") from error
                raise
            finally:
                await child.close()
        finally:
            await clear_in_thread(self._folder)

    def _ending(self, result: DownloadResult) -> Ending:
        stored = result.stored
        leads_to = stored.name if result.lasting else ""
        return Ending(stored.name, str(stored.generation), leads_to, self._context.settings.address_memory)

    async def _end(self, update: Update, ending: Ending) -> None:
        await self._reporter.flush()
        body = update.body()
        told = await until_redis_answers(lambda: self._context.store.downloads.finish(self._claim, body, ending))
        if told is None:
            raise FenceLost
        self._state.end(update)
        self._reporter.count_sent(told, update, step=True)
        self._context.metrics.finished(self._claim, update)
        logger.info("download ended", extra={**self._log, "status": update.status})

    async def _fail(self, code: ErrorCode, *, final: bool = False, asked: float | None = None) -> None:
        """Another try where that may help, not before the seconds that the site asked for; else the end."""
        if final or not code.retryable:
            await self._end(self._state.current.failed(code), Ending())
            return
        await self._reporter.flush()
        settings, retries = self._context.settings, self._claim.retries
        delay = max(retry_delay(settings.retry_delay, retries), asked_delay(asked or 0, settings.max_retry_after))
        update = self._state.current.waiting(
            f"{code.sentence.partition(' Try again')[0]} {stages.TRIED_AGAIN}",
            retries=min(retries + 1, settings.retries),
            retry_at=timestamp(datetime.now(UTC) + timedelta(seconds=delay)),
        )
        outcome = await self._requeue(Requeue(Cause.RETRY, update, delay, settings.retries, code))
        if outcome is RequeueOutcome.REQUEUED:
            self._context.metrics.retries.add(code)
        elif outcome is RequeueOutcome.ENDED:
            self._context.metrics.failed(self._claim.created, code)

    async def _hand_back(self) -> None:
        """The worker stops: another one continues at once, and it costs the download no try.

        Where Redis can't be told in time, the lease's end tells it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._requeue(Requeue(Cause.HANDOVER, self._state.current.waiting()))

    async def _requeue(self, how: Requeue) -> RequeueOutcome:
        return await until_redis_answers(
            lambda: self._context.store.downloads.requeue(self._claim.download_id, self._claim.attempt, how)
        )


def _clear_cancellation() -> None:
    """What follows is this task's answer to its cancellation.

    While a task counts as cancelled, a timeout within it ends as another cancellation (asyncio.timeout before Python
    3.11.3), and redis-py lives by timeouts.
    """
    task = asyncio.current_task()
    while task and task.cancelling():
        task.uncancel()


def _may_be_the_kernels(error: ChildEnded | JobFailure) -> bool:
    """Whether a child may fail so because it, or ffmpeg, was ended by the kernel: neither says a word then."""
    return isinstance(error, ChildEnded) or error.code is ErrorCode.CONVERSION_FAILED


def _code(error: BucketError | ChildEnded | OSError) -> ErrorCode:
    if isinstance(error, StorageDenied):
        return ErrorCode.STORAGE_DENIED
    if isinstance(error, BucketError):
        return ErrorCode.STORAGE_UNAVAILABLE
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return ErrorCode.DISK_FULL
    return ErrorCode.INTERNAL
