"""Logs how full Redis is, once for each change of level and not for each request."""

import asyncio
import logging
from enum import IntEnum

from vidferry_common.store import Store, StoreUnavailable

logger = logging.getLogger(__name__)

READ_INTERVAL = 5.0
HYSTERESIS = 0.05
"""The share of the memory by which use must fall below a limit before a lower level counts. Use stays close to 80 %
while ended jobs are removed, and would else be logged again and again."""


class MemoryLevel(IntEnum):
    """How full Redis is. The limits are the ones in the store's scripts/room.lua."""

    NORMAL = 0
    HIGH = 1
    FULL = 2

    @property
    def limit(self) -> float:
        """The share of the memory at which the level begins."""
        return (0, 0.8, 0.9)[self]


class RedisMemoryLog:
    """Logs changes of Redis' memory level, which it reads every few seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._level = MemoryLevel.NORMAL
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch_memory())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def note_refusal(self) -> None:
        """Notes that a job was refused because Redis is full, which the next read may be too late to see."""
        self._set_level(MemoryLevel.FULL)

    def note_share(self, share: float) -> None:
        """Notes the share of the memory that is in use."""
        level = max(level for level in MemoryLevel if share >= level.limit)
        if level > self._level or share < self._level.limit - HYSTERESIS:
            self._set_level(level)

    async def _watch_memory(self) -> None:
        while True:
            try:
                self.note_share((await self._store.read_memory()).share)
            except StoreUnavailable as error:
                logger.debug("Redis' memory is unknown", extra={"error": str(error)})
            await asyncio.sleep(READ_INTERVAL)

    def _set_level(self, level: MemoryLevel) -> None:
        if level is self._level:
            return
        self._level = level
        if level is MemoryLevel.FULL:
            logger.warning(
                "Redis is full: 90 % of its maxmemory is used, so no job is accepted. Raise maxmemory, or lower "
                "VIDFERRY_ENDED_BYTES and VIDFERRY_QUEUE_BYTES"
            )
        elif level is MemoryLevel.HIGH:
            logger.warning("Redis fills up: 80 % of its maxmemory is used, so the oldest ended jobs are deleted")
        else:
            logger.info("Redis has room again")
