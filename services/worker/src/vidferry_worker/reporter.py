"""Tells a download's watchers what happens, in order, without the download ever waiting for Redis.

Steps are queued and all sent; of plain progress only the newest is. While Redis is away both wait, and what was
queued goes out when it is back. Where another worker has taken over, nothing is sent any more.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Status
from vidferry_common.store import Claim, Store, StoreUnavailable
from vidferry_worker.metrics import WorkerMetrics

logger = logging.getLogger(__name__)

TICK = 0.5
"""seconds between two messages while bytes move"""
RETRY_DELAY = 0.5


class FenceLost(Exception):
    """Another attempt of the download has been claimed."""


class Reporter:
    """The messages of one attempt."""

    def __init__(
        self, store: Store, claim: Claim, update: Update, on_lost: Callable[[], None], metrics: WorkerMetrics
    ) -> None:
        self._store, self._claim, self._on_lost, self._metrics = store, claim, on_lost, metrics
        self._stages = metrics.stages()
        self.update = update
        """the last that was told"""
        self._steps: deque[Update] = deque()
        self._progress: Update | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._run(), name=f"reporter {claim.download_id}")

    def step(self, update: Update) -> None:
        """A change of stage: it leaves at once."""
        self._stages.enter(update.stage)
        self.update, self._progress = update, None
        self._steps.append(update)
        self._stir()

    def progress(self, update: Update) -> None:
        """Where the stage is now: it leaves with the next tick, unless a newer one comes."""
        self.update = self._progress = update
        self._stir()

    def amend(self, **changes: Any) -> None:
        """Facts that go along with whatever is told next."""
        self.update = replace(self.update, **changes)
        if self._progress is not None:
            self._progress = replace(self._progress, **changes)

    def ended(self, told: list[str], update: Update) -> None:
        """The last message was told, by another than this."""
        if update.status is Status.COMPLETED:
            self._stages.enter(update.stage)
        self._metrics.finished(self._claim, update)
        self.told(told, update, step=True)

    async def flush(self) -> None:
        """Returns when all that was told has left; FenceLost where it never will."""
        await self._idle.wait()
        if self._task.done():
            raise FenceLost

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _stir(self) -> None:
        if not self._task.done():
            self._idle.clear()
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_tick = loop.time()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._steps:
                    await self._send(self._steps[0], step=True)
                    self._steps.popleft()
                if self._progress is not None and loop.time() >= next_tick:
                    newest, self._progress = self._progress, None
                    await self._send(newest, step=False)
                    next_tick = loop.time() + TICK
                if self._progress is not None:
                    loop.call_at(next_tick, self._wake.set)
                elif not self._steps:
                    self._idle.set()
        except FenceLost:
            self._on_lost()
        finally:
            self._idle.set()

    async def _send(self, update: Update, *, step: bool) -> None:
        body = update.body()
        while True:
            try:
                told = await self._store.publish(self._claim, body, step=step)
            except StoreUnavailable:
                await asyncio.sleep(RETRY_DELAY)
                continue
            if told is None:
                raise FenceLost
            self.told(told, update, step=step)
            return

    def told(self, told: list[str], update: Update, *, step: bool) -> None:
        """Counts it, and logs the first of the three events by which a message's way is followed, for each job."""
        self._metrics.published.add("step" if step else "progress", by=len(told))
        if logger.isEnabledFor(logging.DEBUG):
            for job_id in told:
                logger.debug("published", extra={"job_id": job_id, "stage": update.stage, "progress": update.progress})
