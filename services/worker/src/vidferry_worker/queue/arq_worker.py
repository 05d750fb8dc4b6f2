"""arq's worker, changed where Vidferry's promises need it and nowhere else.

No other module imports it.
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

logger = logging.getLogger(__name__)

IDLE_SECONDS = 2.0
"""between two looks at the queue when no doorbell rings and no delayed try comes due before"""
SHORTEST_WAIT = 0.01
"""seconds; to Redis 0 would mean for ever"""
OUTAGE_SECONDS = 0.5
TIMEOUT_MARGIN = 120
"""seconds; an attempt ends itself before arq does it"""


class DownloadWorker(Worker):
    """Takes downloads from the queue.

    - `_poll_iteration` waits for the doorbell instead of polling, asks the store what may be started, and outlives
      Redis's outages;
    - `start_jobs` marks none as running: what is picked is kept for this worker, until its claim holds it;
    - `run_job` needs no write that a Redis whose memory is used up refuses: claim counts attempts, not it;
    - SIGTERM and SIGINT: nothing new is taken, what runs has its grace, then gives itself back;
    - `record_health` keeps out of the health key that all workers would share.
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
        async def download(_: dict[Any, Any], download_id: str, attempt: int) -> None:
            await run(download_id, attempt)

        super().__init__(
            functions=[func(cast("Any", download), name=keys.FUNCTION)],  # arq's protocol wants *args
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
        """Whether it looks for downloads: it doesn't while Redis is away or the bucket refuses, or once it stops."""
        return self._reached_redis and self.allow_pick_jobs and self._may_pick()

    @property
    def slots_on_offer(self) -> int:
        """How many downloads it takes at once; none while the bucket refuses, or once it stops."""
        return self.max_jobs if self.allow_pick_jobs and self._may_pick() else 0

    async def _poll_iteration(self) -> None:
        try:
            await self._wait_for_work()
            self._clear_away()
            if self._has_room:
                arq_ids, due = await self._pick(self.max_jobs - self.job_counter)
                await self.start_jobs(arq_ids)
                self._wait = max(SHORTEST_WAIT, min(IDLE_SECONDS, IDLE_SECONDS if due is None else due))
            self._reached_redis = True
        except (RedisError, OSError, StoreUnavailable) as error:
            self._reached_redis = False
            logger.warning("the queue waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(OUTAGE_SECONDS)
        _raise_lost_cancellation()

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        for arq_id in map(bytes.decode, job_ids):
            begun = self.tasks.get(arq_id)
            if begun and not begun.done():  # after an outage one may be picked again that still asks for its claim
                continue
            await self.sem.acquire()
            self.job_counter += 1
            task = self.loop.create_task(self.run_job(arq_id, round(time.time() * 1000)))
            task.add_done_callback(lambda _: self._release_sem_dec_counter_on_complete())
            self.tasks[arq_id] = task

    @property
    def _has_room(self) -> bool:
        return self.allow_pick_jobs and self.job_counter < self.max_jobs and self._may_pick()

    async def _wait_for_work(self) -> None:
        """Returns when there may be something to start or to clear away."""
        if self._has_room:
            seconds = cast("Any", self._wait)  # redis-py's types know whole ones only
            await cast("Awaitable[Any]", self.pool.blpop([keys.DOORBELL], timeout=seconds))
        elif self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(OUTAGE_SECONDS)

    def _clear_away(self) -> None:
        """Forgets what has ended. What arq itself raised around a job is raised here: Redis's errors are outages."""
        for arq_id, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[arq_id]
                task.result()

    async def run_job(self, job_id: str, score: int) -> None:  # noqa: ARG002 - arq's own signature
        """One attempt, which its id names; a cancelled one has handed itself back."""
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
            await asyncio.shield(self._take_off_the_queue(job_id))

    async def _take_off_the_queue(self, arq_id: str) -> None:
        """Not in a transaction, within which a Redis whose memory is used up refuses every command."""
        async with self.pool.pipeline(transaction=False) as pipe:
            pipe.zrem(self.queue_name, arq_id)
            pipe.delete(keys.ARQ_JOB + arq_id, in_progress_key_prefix + arq_id)
            await pipe.execute()

    async def record_health(self) -> None:
        """A worker's health is its own: see its admin port."""

    async def close(self) -> None:
        """As arq's, without touching the shared health key."""
        if self._pool is None:
            return
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        await self.pool.aclose(close_connection_pool=True)
        self._pool = None

    def handle_sig_wait_for_completion(self, signum: signal.Signals) -> None:
        logger.info("worker takes no new downloads", extra={"running": len(self.tasks)})
        super().handle_sig_wait_for_completion(signum)

    def stop(self) -> None:
        """What SIGTERM does."""
        self.handle_sig_wait_for_completion(signal.SIGTERM)


def _raise_lost_cancellation() -> None:
    """redis-py sends within asyncio.wait_for, which before Python 3.12 may lose a cancellation: arq asks but once."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
