"""The messages of one attempt to its watchers, in order. The download never waits for Redis.

Every step is sent, and of progress only the newest. While Redis can't be reached both wait. Once another worker has
taken over, nothing is sent any more.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from vidferry_common.contract.messages import Update
from vidferry_common.metrics.catalogue import FencedWrite
from vidferry_common.store import Claim, Publication
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.metrics import WorkerMetrics

logger = logging.getLogger(__name__)


class FenceLost(Exception):
    """Another attempt of the download has been claimed."""


class Reporter:
    """The messages of one attempt that are still to be sent."""

    def __init__(self, publisher: Publisher, claim: Claim, on_lost: Callable[[], None], metrics: WorkerMetrics) -> None:
        self._publisher, self._claim, self._on_lost, self._metrics = publisher, claim, on_lost, metrics
        self._steps: deque[Publication] = deque()
        self._progress: Update | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._lost = False
        self.job_ids: list[str] = []
        """the jobs that the last message went to"""

    def send_step(self, update: Update) -> None:
        """Sends a change of stage at once."""
        self._progress = None
        self._steps.append(Publication(self._claim, update.body(), update, step=True))
        self._notify_publisher(at_once=True)

    def send_progress(self, update: Update) -> None:
        """Sends where the stage is now with the next tick, unless something newer replaces it."""
        self._progress = update
        self._notify_publisher(at_once=False)

    def replace_progress(self, update: Update) -> None:
        """Replaces progress that has not been sent yet."""
        if self._progress is not None:
            self._progress = update

    async def flush(self) -> None:
        """Returns when everything has been sent; FenceLost where it can't be."""
        await self._idle.wait()
        if self._lost:
            raise FenceLost

    def close(self) -> None:
        """Ends all sending. A cancelled upload may still report progress after this."""
        self._lost = True
        self._publisher.forget(self)

    def next_publication(self, *, tick: bool) -> Publication | None:
        """What the publisher is to send now, the oldest of it."""
        if self._steps:
            return self._steps[0]
        if self._progress is None or not tick:
            return None
        return Publication(self._claim, self._progress.body(), self._progress, step=False)

    def mark_sent(self, publication: Publication, job_ids: list[str] | None) -> bool:
        """Takes note that it was sent to these jobs, or that the fence is lost (None). Whether more is to be sent."""
        if job_ids is None:
            self._lose_fence()
            return False
        self.job_ids = job_ids
        if publication.step:
            self._steps.popleft()
        elif self._progress is publication.update:
            self._progress = None
        self.count_sent(job_ids, publication.update, step=publication.step)
        more = bool(self._steps) or self._progress is not None
        if not more:
            self._idle.set()
        return more

    def count_sent(self, job_ids: list[str], update: Update, *, step: bool) -> None:
        """Counts a sent message, and logs it: the first of three log events by which a message can be traced."""
        self._metrics.published.add("step" if step else "progress", by=len(job_ids))
        if logger.isEnabledFor(logging.DEBUG):
            for job_id in job_ids:
                logger.debug("published", extra={"job_id": job_id, "stage": update.stage, "progress": update.progress})

    def _lose_fence(self) -> None:
        if not self._lost:
            self._lost, self._progress = True, None
            self._metrics.fenced_writes.add(FencedWrite.MESSAGE)
            self._steps.clear()
            self._idle.set()
            self._on_lost()

    def _notify_publisher(self, *, at_once: bool) -> None:
        if not self._lost:
            self._idle.clear()
            self._publisher.notify(self, at_once=at_once)
