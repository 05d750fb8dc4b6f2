"""arq's worker, changed where Vidferry's guarantees need it.

No other module imports arq's worker.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import orjson
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix
from arq.worker import Worker, func

from vidferry_common.contract import keys
from vidferry_common.store.client import RedisError, StoreUnavailable
from vidferry_worker.cancellation import raise_lost_cancellation

logger = logging.getLogger(__name__)

IDLE_SECONDS = 2.0
"""between two checks of the queue, unless the doorbell rings or a delayed try is due before"""
SHORTEST_WAIT = 0.01
"""seconds; to Redis, 0 would mean for ever"""
OUTAGE_SECONDS = 0.5
TIMEOUT_MARGIN = 120
"""seconds by which arq's timeout is later than the attempt's own"""


class DownloadWorker(Worker):
    """The worker that takes downloads from arq's queue and runs them. It differs from arq's in this:

    - `main` does not ask Redis for its version first, which would end the worker where Redis is away just then;
    - `_poll_iteration` waits for the doorbell instead of polling, asks the store what may be started, and survives
      outages of Redis;
    - `start_jobs` does not mark jobs as running: the store reserves what it hands out until the attempt claims it;
    - `run_job` does not write what a Redis without free memory refuses: the claim counts attempts;
    - at SIGTERM and SIGINT nothing new is taken; what runs has its grace, and then hands itself back;
    - `record_health` does nothing, since all workers would share arq's health key.
    """

    def __init__(
        self,
        pool: ArqRedis,
        pick: Callable[[int], Awaitable[tuple[list[bytes], float | None]]],
        run: Callable[[str, int], Awaitable[None]],
        *,
        may_pick: Callable[[], bool],
        slots: int,
        max_seconds: float,
        grace: float,
    ) -> None:
        async def run_download(_: dict[Any, Any], download_id: str, attempt: int) -> None:
            await run(download_id, attempt)

        super().__init__(
            functions=[func(cast("Any", run_download), name=keys.FUNCTION)],  # arq's type asks for *args
            redis_pool=pool,
            queue_name=keys.QUEUE,
            max_jobs=slots,
            job_timeout=max_seconds + TIMEOUT_MARGIN,
            keep_result=0,
            poll_delay=0,
            job_completion_wait=max(int(grace), 1),
            job_serializer=orjson.dumps,
            job_deserializer=orjson.loads,
            log_results=False,
        )
        self._pick, self._may_pick = pick, may_pick
        self._wait = SHORTEST_WAIT
        self._reached_redis = False

    @property
    def takes_work(self) -> bool:
        """Whether it looks for downloads: not while Redis is away or the bucket refuses, nor once it stops."""
        return self._reached_redis and self.allow_pick_jobs and self._may_pick()

    @property
    def slots_on_offer(self) -> int:
        """How many downloads it takes at once; none while the bucket refuses, or once it stops."""
        return self.max_jobs if self.allow_pick_jobs and self._may_pick() else 0

    async def main(self) -> None:
        while True:
            await self._poll_iteration()

    async def _poll_iteration(self) -> None:
        try:
            await self._wait_for_work()
            self._forget_finished_tasks()
            if self._has_free_slot:
                arq_ids, due = await self._pick(self.max_jobs - self.job_counter)
                await self.start_jobs(arq_ids)
                self._wait = max(SHORTEST_WAIT, min(IDLE_SECONDS, IDLE_SECONDS if due is None else due))
            self._reached_redis = True
        except (RedisError, OSError, StoreUnavailable) as error:
            self._reached_redis = False
            logger.warning("the queue waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(OUTAGE_SECONDS)
        raise_lost_cancellation()

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        for arq_id in map(bytes.decode, job_ids):
            running = self.tasks.get(arq_id)
            if (
                running and not running.done()
            ):  # after an outage, one that still waits for its claim may be picked again
                continue
            await self.sem.acquire()
            self.job_counter += 1
            task = self.loop.create_task(self.run_job(arq_id, round(time.time() * 1000)))
            task.add_done_callback(lambda _: self._release_sem_dec_counter_on_complete())
            self.tasks[arq_id] = task

    @property
    def _has_free_slot(self) -> bool:
        return self.allow_pick_jobs and self.job_counter < self.max_jobs and self._may_pick()

    async def _wait_for_work(self) -> None:
        """Returns when there may be a download to start, or a task has finished."""
        if self._has_free_slot:
            seconds = cast("Any", self._wait)  # redis-py's types allow whole seconds only
            await cast("Awaitable[Any]", self.pool.blpop([keys.DOORBELL], timeout=seconds))
        elif self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(OUTAGE_SECONDS)

    def _forget_finished_tasks(self) -> None:
        """Raises what arq itself raised around a job: errors of Redis count as outages."""
        for arq_id, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[arq_id]
                task.result()

    async def run_job(self, job_id: str, score: int) -> None:  # noqa: ARG002 - arq's own signature
        """Runs the attempt that the id names. If it was cancelled, it has handed itself back to the queue."""
        download_id, _, attempt = job_id.rpartition(":")
        ended = True
        try:
            run = self.functions[keys.FUNCTION].coroutine(self.ctx, download_id, int(attempt))
            await asyncio.wait_for(run, self.job_timeout_s)
        except asyncio.CancelledError:
            ended = False
            self.jobs_retried += 1
        except Exception:
            logger.exception("an attempt ended with an unexpected error", extra={"arq_id": job_id})
            self.jobs_failed += 1
        else:
            self.jobs_complete += 1
        if ended:
            await asyncio.shield(self._remove_from_queue(job_id))

    async def _remove_from_queue(self, arq_id: str) -> None:
        """Without a transaction, in which a Redis without free memory would refuse every command."""
        async with self.pool.pipeline(transaction=False) as pipe:
            pipe.zrem(self.queue_name, arq_id)
            pipe.delete(keys.ARQ_JOB + arq_id, in_progress_key_prefix + arq_id)
            await pipe.execute()

    async def record_health(self) -> None:
        """Does nothing: the admin port tells the health of this worker."""

    async def close(self) -> None:
        """Closes as arq does, without touching the shared health key."""
        if self._pool is None:
            return
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        await self.pool.aclose(close_connection_pool=True)
        self._pool = None

    def handle_sig_wait_for_completion(self, signum: signal.Signals) -> None:
        logger.info("worker takes no new downloads", extra={"running": len(self.tasks)})
        super().handle_sig_wait_for_completion(signum)

    def stop(self) -> None:
        """Stops as at SIGTERM."""
        self.handle_sig_wait_for_completion(signal.SIGTERM)
