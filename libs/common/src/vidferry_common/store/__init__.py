"""Records in Redis: jobs, downloads, leases. Each change is one script, so one atomic step."""

from vidferry_common.store.client import Kept, RedisSettings, StoreUnavailable, connect
from vidferry_common.store.records import Claim, JobRecord, QueueDepth, RedisMemory
from vidferry_common.store.scripts import RedisFull
from vidferry_common.store.store import (
    NO_LIMITS,
    SPARED_SECONDS,
    CallerOverRate,
    Cancelled,
    Cause,
    Created,
    Ending,
    IdempotencyMismatch,
    Limits,
    NewJob,
    Outcome,
    Publication,
    QueueFull,
    Quota,
    Requeue,
    Store,
)

__all__ = [
    "NO_LIMITS",
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
    "Limits",
    "NewJob",
    "Outcome",
    "Publication",
    "QueueDepth",
    "QueueFull",
    "Quota",
    "RedisFull",
    "RedisMemory",
    "RedisSettings",
    "Requeue",
    "Store",
    "StoreUnavailable",
    "connect",
]
