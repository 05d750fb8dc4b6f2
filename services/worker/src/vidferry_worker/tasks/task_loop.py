"""Takes the tasks of one queue, does several at once, and holds them until they are done."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from vidferry_common.log import log_fields
from vidferry_common.store import StoreUnavailable, Task, TaskQueue

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
STOP_SECONDS = 1.0
"""for what the loop asks Redis when it has to end"""
GATHER_SECONDS = 0.01
"""from the end of a task to the next look, unless one is added, so that one look fills the slots of several that end"""
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
        self._ring: asyncio.Task[None] | None = None
        """done when a task was added"""
        self._changed = asyncio.Event()
        """whether the loop may have something to do"""
        self._stops = False

    @property
    def free_slots(self) -> int:
        return self._slots - len(self._running)

    async def run(self) -> None:
        """Until cancelled. Then what is being done is cancelled and put back."""
        holding, working = asyncio.create_task(self._hold_tasks()), asyncio.create_task(self._work())
        try:
            await asyncio.wait({working})
            working.result()
        finally:
            holding.cancel()
            # By a task of its own: before Python 3.11.3, redis-py's calls fail in one that has been cancelled.
            await asyncio.shield(self._stop(working))

    async def _work(self) -> None:
        while not self._stops:
            await self._take_tasks()

    async def _stop(self, working: asyncio.Task[None]) -> None:
        """Lets the loop end by itself: if it were cancelled amid a script, nobody would know which tasks that took."""
        self._stops = True
        self._changed.set()
        await asyncio.wait({working}, timeout=STOP_SECONDS)
        for each in (working, self._ring):
            if each:
                each.cancel()
        await self._put_back_running()

    async def _take_tasks(self) -> None:
        self._changed.clear()
        try:
            tasks, due = await self._take(self.free_slots, self._hold) if self.free_slots else ([], None)
            for task in tasks:
                doing = asyncio.create_task(self._do(task))
                self._running[doing] = task
                doing.add_done_callback(self._note_end)
            await asyncio.sleep(0)  # each begins, and so counts for its queue, before more are taken
            if not self._stops:
                await self._wait_for_change(due)
        except StoreUnavailable as error:
            logger.warning("a queue of tasks waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(OUTAGE_SECONDS)

    async def _wait_for_change(self, due: float | None) -> None:
        """Returns when a task is done, and, where a slot is free, when one is added or due, or after IDLE_SECONDS."""
        if not self._ring and self.free_slots:
            self._ring = asyncio.create_task(self._queue.wait_for_task(IDLE_SECONDS))
            self._ring.add_done_callback(self._note_ring)
        seconds = max(SHORTEST_WAIT, IDLE_SECONDS if due is None else min(IDLE_SECONDS, due))
        waking = asyncio.get_running_loop().call_later(seconds, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            waking.cancel()
        if self._ring:
            await asyncio.wait({self._ring}, timeout=GATHER_SECONDS)
        if self._ring and self._ring.done():
            ring, self._ring = self._ring, None
            ring.result()
            if not self.free_slots:
                await self._queue.ring_doorbell()  # for a worker that can take the task

    def _note_end(self, doing: asyncio.Task[None]) -> None:
        self._running.pop(doing)
        self._changed.set()

    def _note_ring(self, ring: asyncio.Task[None]) -> None:
        if not ring.cancelled():
            ring.exception()  # else asyncio would log it where the loop ends before it reads it
        self._changed.set()

    async def _do(self, task: Task) -> None:
        with log_fields(job_id=task.id):
            try:
                await self._handle(task)
            except StoreUnavailable as error:  # the task is due again when its hold is over
                logger.warning("a task was left because Redis is away", extra={"error": str(error)})
            except Exception:
                logger.exception("a task failed unexpectedly")
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
        except StoreUnavailable as error:  # it is due again when its hold is over
            logger.warning("a task was left because Redis is away", extra={"job_id": task.id, "error": str(error)})
