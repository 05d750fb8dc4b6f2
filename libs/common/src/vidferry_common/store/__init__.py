"""Records in Redis: jobs, downloads, the queue, leases, objects. Each change is one script, so one atomic step."""

from vidferry_common.store.batches import BatchStore, Making, OpenBatch, entries_digest
from vidferry_common.store.changes import JobChanges, TooManyListeners
from vidferry_common.store.client import EndedLimits, RedisSettings, StoreUnavailable, connect_redis
from vidferry_common.store.downloads import (
    Cause,
    DownloadRecord,
    DownloadStatus,
    Ending,
    ObjectDeleted,
    Publication,
    Requeue,
    RequeueOutcome,
)
from vidferry_common.store.job_lists import InvalidPlace, JobFilter, JobPage, Place
from vidferry_common.store.jobs import (
    BatchMovedOn,
    CallerOverRate,
    Cancelled,
    Created,
    IdempotencyMismatch,
    JobRecord,
    NewJob,
    Outcome,
    QueueFull,
    Quota,
    fixed_fields,
    idempotency_name,
)
from vidferry_common.store.leases import AttemptId, Claim
from vidferry_common.store.object_index import ObjectEntry, ObjectFilter, ObjectPage, ObjectPlace, Walk
from vidferry_common.store.objects import PINNED_SECONDS
from vidferry_common.store.owner_limits import JobLimits, QuotaExceeded
from vidferry_common.store.pauses import PauseRule, Refusal
from vidferry_common.store.queue import NO_LIMITS, Limits, Pauses, QueueDepth, SiteLimits
from vidferry_common.store.scripts import RedisFull
from vidferry_common.store.store import RedisMemory, Store
from vidferry_common.store.tasks import Task, TaskQueue
from vidferry_common.store.webhooks import (
    Delivery,
    DeliveryAttempt,
    DeliveryQueue,
    DeliverySlots,
    EventLog,
    JobDeliveries,
    OutboxEvent,
    ReceiverState,
    ResendOutcome,
    Settlement,
    SlotShare,
    Undelivered,
)

__all__ = [
    "NO_LIMITS",
    "PINNED_SECONDS",
    "AttemptId",
    "BatchMovedOn",
    "BatchStore",
    "CallerOverRate",
    "Cancelled",
    "Cause",
    "Claim",
    "Created",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryQueue",
    "DeliverySlots",
    "DownloadRecord",
    "DownloadStatus",
    "EndedLimits",
    "Ending",
    "EventLog",
    "IdempotencyMismatch",
    "InvalidPlace",
    "JobChanges",
    "JobDeliveries",
    "JobFilter",
    "JobLimits",
    "JobPage",
    "JobRecord",
    "Limits",
    "Making",
    "NewJob",
    "ObjectDeleted",
    "ObjectEntry",
    "ObjectFilter",
    "ObjectPage",
    "ObjectPlace",
    "OpenBatch",
    "OutboxEvent",
    "Outcome",
    "PauseRule",
    "Pauses",
    "Place",
    "Publication",
    "QueueDepth",
    "QueueFull",
    "Quota",
    "QuotaExceeded",
    "ReceiverState",
    "RedisFull",
    "RedisMemory",
    "RedisSettings",
    "Refusal",
    "Requeue",
    "RequeueOutcome",
    "ResendOutcome",
    "Settlement",
    "SiteLimits",
    "SlotShare",
    "Store",
    "StoreUnavailable",
    "Task",
    "TaskQueue",
    "TooManyListeners",
    "Undelivered",
    "Walk",
    "connect_redis",
    "entries_digest",
    "fixed_fields",
    "idempotency_name",
]
