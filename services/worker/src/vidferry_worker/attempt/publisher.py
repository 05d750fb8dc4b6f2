"""Sends the messages of all attempts of a worker together: steps at once, progress with each tick.

A pipeline has one message of each attempt. Redis may refuse one message of it and accept the next, such as after a
restart, when it does not know the script until another worker has sent it.
"""

import asyncio
import logging
from typing import Protocol

from vidferry_common.store import Publication, Store, StoreUnavailable
from vidferry_worker.retry import OUTAGE_DELAY

logger = logging.getLogger(__name__)

TICK = 0.5
"""seconds between two messages of a download while bytes move"""


class PublicationSource(Protocol):
    """The messages of one attempt (reporter.py)."""

    def next_publication(self, *, tick: bool) -> Publication | None: ...
    def mark_sent(self, publication: Publication, job_ids: list[str] | None) -> bool: ...


class Publisher:
    """The sender of all attempts of a worker. A message that could not be sent stays with its source until it is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._notified: dict[PublicationSource, None] = {}
        """the sources with something to send, in the order of their calls"""
        self._wake = asyncio.Event()
        self._next_tick = 0.0

    def notify(self, source: PublicationSource, *, at_once: bool) -> None:
        """Takes note that a source has something to send."""
        idle = not self._notified
        self._notified[source] = None
        if at_once:
            self._wake.set()
        elif idle:
            self._wake_at_tick()

    def forget(self, source: PublicationSource) -> None:
        self._notified.pop(source, None)

    async def run(self) -> None:
        """Until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._wake.wait()
            self._wake.clear()
            tick = clock() >= self._next_tick
            if tick:
                self._next_tick = clock() + TICK
            try:
                await self._send_all(tick=tick)
            except StoreUnavailable as error:
                logger.warning("messages wait for Redis", extra={"error": str(error)})
                await asyncio.sleep(OUTAGE_DELAY)
                self._next_tick = 0
                self._wake.set()
            else:
                if self._notified:
                    self._wake_at_tick()

    async def _send_all(self, *, tick: bool) -> None:
        """Sends all steps, then the progress if it is time for that."""
        while await self._send_batch(tick=False):
            pass
        if tick:
            await self._send_batch(tick=True)

    async def _send_batch(self, *, tick: bool) -> bool:
        """Sends the oldest message of each source. Whether there was any."""
        batch = [(each, found) for each in self._notified if (found := each.next_publication(tick=tick))]
        if not batch:
            return False
        results = await self._store.downloads.publish_all([publication for _, publication in batch])
        for (source, publication), job_ids in zip(batch, results, strict=True):
            if source in self._notified and not source.mark_sent(publication, job_ids):
                self.forget(source)
        return True

    def _wake_at_tick(self) -> None:
        asyncio.get_running_loop().call_at(self._next_tick, self._wake.set)
