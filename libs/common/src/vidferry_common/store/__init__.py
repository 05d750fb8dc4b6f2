"""Records in Redis: jobs, downloads, leases. Each change is one script, so one atomic step."""

from vidferry_common.store.client import RedisSettings, StoreUnavailable, connect
from vidferry_common.store.records import Claim, JobRecord
from vidferry_common.store.store import Cause, Created, IdempotencyMismatch, NewJob, QueueFull, Requeue, Store

__all__ = [
    "Cause",
    "Claim",
    "Created",
    "IdempotencyMismatch",
    "JobRecord",
    "NewJob",
    "QueueFull",
    "RedisSettings",
    "Requeue",
    "Store",
    "StoreUnavailable",
    "connect",
]
