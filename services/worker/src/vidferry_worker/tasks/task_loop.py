"""Takes the tasks of one queue, does several at once, and holds them until they are done."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from vidferry_common.store import StoreUnavailable, Task, TaskQueue
from vidferry_worker.cancellation import clear_cancellation, raise_lost_cancellation

logger = logging.getLogger(__name__)

IDLE_SECONDS = 2.0
"""between two looks at the queue, unless a task is added or comes due before"""
OUTAGE_SECONDS = 0.5
HOLDS = 3
"""how often a hold is renewed within its length"""
FAILED_SECONDS = 60.0
"""after which a task is done again whose handler failed unexpectedly"""
CANCEL_SECONDS = 0.2
"""after which a task that goes on is cancelled again, since asyncio.wait_for may have lost that"""
SHORTEST_WAIT = 0.01
"""seconds; to Redis, 0 would mean for ever"""

Take = Callable[[int, float], Awaitable[tuple[list[Task], float | None]]]
"""TaskQueue.take()"""
Handler = Callable[[Task], Awaitable[None]]
"""Does a task, and ends it or puts it back. Cancelled where another worker has taken the task, or this one stops."""


class TaskLoop:
    """The tasks of one queue that this worker does."""

    def __init__(self, queue: TaskQueue, handle: Handler, *, slots: int, hold: float, take: Take | None = None) -> None:
        """hold: seconds after which another worker takes over the tasks of one that died.
        take: takes tasks, by default that of the queue.
        """
        self._queue, self._handle, self._slots, self._hold = queue, handle, slots, hold
        self._take = take or queue.take
        self._running: dict[asyncio.Task[None], Task] = {}

    @property
    def free_slots(self) -> int:
        return self._slots - len(self._running)

    async def run(self) -> None:
        """Until cancelled. Then what is being done is cancelled and put back."""
        holding = asyncio.create_task(self._hold_tasks())
        try:
            while True:
                await self._take_tasks()
                raise_lost_cancellation()
        finally:
            holding.cancel()
            clear_cancellation()
            await self._put_back_running()

    async def _take_tasks(self) -> None:
        try:
            tasks, due = await self._take(self.free_slots, self._hold) if self.free_slots else ([], None)
            for task in tasks:
                doing = asyncio.create_task(self._do(task))
                self._running[doing] = task
                doing.add_done_callback(self._running.pop)
            if not self.free_slots:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            else:
                await self._queue.wait_for_task(
                    max(SHORTEST_WAIT, IDLE_SECONDS if due is None else min(IDLE_SECONDS, due))
                )
        except StoreUnavailable as error:
            logger.warning("a queue of tasks waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(OUTAGE_SECONDS)

    async def _do(self, task: Task) -> None:
        try:
            await self._handle(task)
        except StoreUnavailable as error:  # the task is due again when its hold is over
            logger.warning("a task was left because Redis is away", extra={"task": task.id, "error": str(error)})
        except Exception:
            logger.exception("a task failed unexpectedly", extra={"task": task.id})
            await self._put_back(task, FAILED_SECONDS)

    async def _hold_tasks(self) -> None:
        while True:
            await asyncio.sleep(self._hold / HOLDS)
            running = {task.id: task.taken for task in self._running.values()}
            if not running:
                continue
            try:
                lost = await self._queue.hold(running, self._hold)
            except StoreUnavailable:
                continue
            for doing, task in list(self._running.items()):
                if task.id in lost:
                    doing.cancel()

    async def _put_back_running(self) -> None:
        running = dict(self._running)
        pending = set(running)
        while pending:
            for doing in pending:
                doing.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)
        for doing, task in running.items():
            if doing.cancelled():
                await self._put_back(task)

    async def _put_back(self, task: Task, delay: float = 0) -> None:
        try:
            await self._queue.put_back(task, delay)
        except StoreUnavailable:  # it is due again when its hold is over
            logger.info("a task was left because Redis is away", extra={"task": task.id})
