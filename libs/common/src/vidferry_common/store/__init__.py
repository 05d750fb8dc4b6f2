"""Records in Redis: jobs, downloads, leases. Each change is one script, so one atomic step."""

from vidferry_common.store.client import Kept, RedisSettings, StoreUnavailable, connect
from vidferry_common.store.records import Claim, JobRecord, QueueDepth
from vidferry_common.store.store import (
    SPARED_SECONDS,
    CallerOverRate,
    Cancelled,
    Cause,
    Created,
    Ending,
    IdempotencyMismatch,
    MemoryFull,
    NewJob,
    Outcome,
    Publication,
    QueueFull,
    Quota,
    Requeue,
    Store,
)

__all__ = [
    "SPARED_SECONDS",
    "CallerOverRate",
    "Cancelled",
    "Cause",
    "Claim",
    "Created",
    "Ending",
    "IdempotencyMismatch",
    "JobRecord",
    "Kept",
    "MemoryFull",
    "NewJob",
    "Outcome",
    "Publication",
    "QueueDepth",
    "QueueFull",
    "Quota",
    "RedisSettings",
    "Requeue",
    "Store",
    "StoreUnavailable",
    "connect",
]
