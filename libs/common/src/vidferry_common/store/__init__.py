"""Records in Redis: jobs, downloads, leases. Each change is one script, so one atomic step."""

from vidferry_common.store.client import RedisSettings, StoreUnavailable, connect
from vidferry_common.store.records import Claim, JobRecord, QueueDepth
from vidferry_common.store.store import (
    NO_LIMITS,
    SPARED_SECONDS,
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
    Requeue,
    Store,
)

__all__ = [
    "NO_LIMITS",
    "SPARED_SECONDS",
    "Cancelled",
    "Cause",
    "Claim",
    "Created",
    "Ending",
    "IdempotencyMismatch",
    "JobRecord",
    "Limits",
    "NewJob",
    "Outcome",
    "Publication",
    "QueueDepth",
    "QueueFull",
    "RedisSettings",
    "Requeue",
    "Store",
    "StoreUnavailable",
    "connect",
]
