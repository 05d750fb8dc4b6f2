"""The records in Redis: one store for each aggregate, each change one atomic step."""

import time
from dataclasses import dataclass

from vidferry_common.store.batches import BatchStore
from vidferry_common.store.bundles import BundleStore
from vidferry_common.store.client import EndedLimits, RedisClient
from vidferry_common.store.downloads import DownloadStore
from vidferry_common.store.job_lists import JobLists
from vidferry_common.store.jobs import JobStore
from vidferry_common.store.leases import LeaseStore
from vidferry_common.store.object_index import ObjectIndex
from vidferry_common.store.objects import ObjectMarks
from vidferry_common.store.pauses import PauseStore
from vidferry_common.store.probes import ProbeStore
from vidferry_common.store.queue import QueueStore
from vidferry_common.store.scripts import DEFAULT_ENDED_LIMITS, ScriptRunner
from vidferry_common.store.tasks import TaskQueue
from vidferry_common.store.webhooks import DeliveryQueue, WebhookStore


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """How much memory Redis uses, in bytes."""

    used: int
    maximum: int
    """`maxmemory`; 0 where that is not set"""
    counted: int
    """what counts against the maximum: all that is used but the buffers of replicas and of the append-only file"""

    @property
    def share(self) -> float:
        """Of the maximum; 0 where there is none."""
        return self.counted / self.maximum if self.maximum else 0


class Store:
    """All records of one Redis. Every method, of an aggregate too, raises StoreUnavailable where it can't be asked."""

    def __init__(self, redis: RedisClient, record_seconds: int, limits: EndedLimits = DEFAULT_ENDED_LIMITS) -> None:
        """record_seconds: for which a record is kept after its last step."""
        self._redis = redis
        self._scripts = ScriptRunner(redis, limits)
        self.jobs = JobStore(self._scripts, record_seconds)
        self.batches = BatchStore(self._scripts, self.jobs, record_seconds)
        self.job_lists = JobLists(self._scripts)
        self.downloads = DownloadStore(self._scripts, record_seconds)
        self.probes = ProbeStore(self._scripts, record_seconds)
        self.queue = QueueStore(self._scripts, record_seconds)
        self.pauses = PauseStore(self._scripts, record_seconds)
        self.leases = LeaseStore(self._scripts)
        self.objects = ObjectMarks(self._scripts)
        self.object_index = ObjectIndex(self._scripts)
        self.bundles = BundleStore(self._scripts)
        self.webhooks = WebhookStore(self._scripts, record_seconds)
        self.deliveries = DeliveryQueue(self._scripts)

    def tasks(self, name: str) -> TaskQueue:
        """The queue of one kind of tasks."""
        return TaskQueue(self._scripts, name)

    async def read_memory(self) -> RedisMemory:
        """What Redis uses of its memory."""
        told = await self._scripts.await_reply(self._redis.info("memory"))
        used, aside = int(told["used_memory"]), int(told.get("mem_not_counted_for_evict", 0))
        return RedisMemory(used, int(told.get("maxmemory", 0)), used - aside)

    async def read_clock(self) -> tuple[float, float]:
        """Redis' Unix time, and the seconds that the round trip took."""
        asked = time.monotonic()
        seconds, micros = await self._scripts.await_reply(self._redis.time())
        return seconds + micros / 1e6, time.monotonic() - asked

    async def ping(self) -> None:
        await self._scripts.await_reply(self._redis.ping())

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)
