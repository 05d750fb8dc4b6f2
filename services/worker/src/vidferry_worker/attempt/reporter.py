"""What one attempt tells its download's watchers, in order, without the download ever waiting for Redis.

Steps are queued and all sent; of plain progress only the newest is. While Redis is away both wait, and what was
queued goes out when it is back. Where another worker has taken over, nothing is sent any more.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from vidferry_common.contract.messages import Update
from vidferry_common.store import Claim, Publication
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.metrics import WorkerMetrics

logger = logging.getLogger(__name__)


class FenceLost(Exception):
    """Another attempt of the download has been claimed."""


class Reporter:
    """The messages of one attempt."""

    def __init__(self, publisher: Publisher, claim: Claim, on_lost: Callable[[], None], metrics: WorkerMetrics) -> None:
        self._publisher, self._claim, self._on_lost, self._metrics = publisher, claim, on_lost, metrics
        self._steps: deque[Publication] = deque()
        self._progress: Update | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._lost = False

    def send_step(self, update: Update) -> None:
        """A change of stage: it leaves at once."""
        self._progress = None
        self._steps.append(Publication(self._claim, update.body(), update, step=True))
        self._notify(at_once=True)

    def send_progress(self, update: Update) -> None:
        """Where the stage is now: it leaves with the next tick, unless a newer one comes."""
        self._progress = update
        self._notify(at_once=False)

    def replace_progress(self, update: Update) -> None:
        """Takes the place of progress that has not left yet."""
        if self._progress is not None:
            self._progress = update

    async def flush(self) -> None:
        """Returns when all that was told has left; FenceLost where it never will."""
        await self._idle.wait()
        if self._lost:
            raise FenceLost

    def close(self) -> None:
        """Nothing is told any more: an upload that was cancelled may still tell how far it came."""
        self._lost = True
        self._publisher.forget(self)

    def pending(self, *, tick: bool) -> list[Publication]:
        """What is to be sent now: for the publisher."""
        if self._progress is None or not tick:
            return list(self._steps)
        return [*self._steps, Publication(self._claim, self._progress.body(), self._progress, step=False)]

    def sent(self, publication: Publication, told: list[str] | None) -> bool:
        """The publisher has sent it, to those jobs, or to none where the fence is lost. Whether more is to come."""
        if told is None:
            self._lose()
            return False
        if publication.step:
            self._steps.popleft()
        elif self._progress is publication.update:
            self._progress = None
        self.count_sent(told, publication.update, step=publication.step)
        more = bool(self._steps) or self._progress is not None
        if not more:
            self._idle.set()
        return more

    def count_sent(self, told: list[str], update: Update, *, step: bool) -> None:
        """Counts it, and logs the first of the three events by which a message's way is followed, for each job."""
        self._metrics.published.add("step" if step else "progress", by=len(told))
        if logger.isEnabledFor(logging.DEBUG):
            for job_id in told:
                logger.debug("published", extra={"job_id": job_id, "stage": update.stage, "progress": update.progress})

    def _lose(self) -> None:
        if not self._lost:
            self._lost, self._progress = True, None
            self._steps.clear()
            self._idle.set()
            self._on_lost()

    def _notify(self, *, at_once: bool) -> None:
        if not self._lost:
            self._idle.clear()
            self._publisher.notify(self, at_once=at_once)
