"""The log lines that tell how full Redis is: one for each change, not one for each request."""

import asyncio
import logging
from enum import IntEnum

from vidferry_common.store import Store, StoreUnavailable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
SLACK = 0.05
"""of the memory, by which it has to fall below a limit before that is told: what is forgotten keeps it close to 80 %"""


class Level(IntEnum):
    """How full Redis is; the limits are those of the store's scripts/room.lua."""

    ROOM = 0
    FILLS = 1
    FULL = 2

    @property
    def limit(self) -> float:
        """The share of the memory from which on it is so full."""
        return (0, 0.8, 0.9)[self]


class RedisMemoryLog:
    """The log of how full Redis is: looks now and then, and tells what changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._level = Level.ROOM
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch_memory())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def note_refusal(self) -> None:
        """Takes in that a job was refused for want of memory, which the next look may be too late to see."""
        self._change(Level.FULL)

    def note_share(self, share: float) -> None:
        """Takes in the share of the memory that is used."""
        level = max(level for level in Level if share >= level.limit)
        if level > self._level or share < self._level.limit - SLACK:
            self._change(level)

    async def _watch_memory(self) -> None:
        while True:
            try:
                self.note_share((await self._store.read_memory()).share)
            except StoreUnavailable as error:
                logger.debug("Redis' memory is unknown", extra={"error": str(error)})
            await asyncio.sleep(LOOK_SECONDS)

    def _change(self, level: Level) -> None:
        if level is self._level:
            return
        self._level = level
        if level is Level.FULL:
            logger.warning(
                "Redis is full: 90 % of its maxmemory is used, so no job is accepted. Raise maxmemory, or lower "
                "VIDFERRY_ENDED_BYTES and VIDFERRY_QUEUE_BYTES"
            )
        elif level is Level.FILLS:
            logger.warning("Redis fills up: 80 % of its maxmemory is used, so the oldest ended jobs are deleted")
        else:
            logger.info("Redis has room again")
