"""Webhooks in Redis: events that wait for their receivers, and what became of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import orjson

from vidferry_common.contract import keys
from vidferry_common.contract.webhooks import EventType, Webhook
from vidferry_common.store.jobs import EVENTS_RETRY_SECONDS, QUEUE_BYTES
from vidferry_common.store.owner_limits import QuotaExceeded
from vidferry_common.store.scripts import RedisFull, ScriptRunner
from vidferry_common.store.tasks import Task, TaskQueue, parse_tasks

MAX_ATTEMPTS_TOLD = 10
"""of each event: the last ones"""
PLACES = 8
"""jobs of one receiver whose events are delivered at once, over all workers"""
UNPROVEN_PLACES = 2
"""the same, while it accepts nothing, or nothing is known of it: should it hang, the other slots are for others"""
SLOW_SECONDS = 2.0
"""A receiver that took longer for a try is slow,"""
SLOW_MEMORY_SECONDS = 60.0
"""and for so long after it, however it answers: one that hangs, and accepts an event now and then, stays slow"""
LOOK = 200
"""tasks that one script looks at: about a millisecond"""
DISABLED_SECONDS = 7 * 86400
"""for which an endpoint that wants no more events gets none"""


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One try to deliver an event."""

    at: int
    """ms since 1970"""
    seconds: float
    status: int | None
    """the receiver's HTTP status; None where it did not answer"""
    error: str | None
    """why it did not count as delivered: DeliveryError of the worker"""


@dataclass(frozen=True, slots=True)
class EventLog:
    """What became of one event of a job."""

    type: EventType
    created: int
    """ms since 1970"""
    since: int
    """from when on it is tried: when it was made, or sent again"""
    status: str = "pending"
    """pending | delivered | failed | disabled"""
    attempt_count: int = 0
    next_attempt: int | None = None
    """ms since 1970"""
    resent: bool = False
    """whether a caller asked for it again: it is tried although its endpoint is disabled"""
    attempts: tuple[DeliveryAttempt, ...] = ()
    """the last ones"""

    @classmethod
    def parse(cls, text: bytes | str) -> "EventLog":
        told = orjson.loads(text)
        known = {name: told[name] for name in cls.__slots__ if name in told}  # a newer release may tell more
        attempts = tuple(DeliveryAttempt(*each[:4]) for each in told.get("attempts", ()))
        return cls(**{**known, "type": EventType(told["type"]), "attempts": attempts})

    def dump(self) -> str:
        fields = {name: getattr(self, name) for name in self.__slots__}
        attempts = [[each.at, each.seconds, each.status, each.error] for each in self.attempts]
        return orjson.dumps({**fields, "attempts": attempts}).decode()

    def with_attempt(self, attempt: DeliveryAttempt, status: str, next_attempt: int | None = None) -> "EventLog":
        attempts = (*self.attempts, attempt)[-MAX_ATTEMPTS_TOLD:]
        count = self.attempt_count + 1
        return replace(self, attempts=attempts, attempt_count=count, status=status, next_attempt=next_attempt)


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event that waits for its receiver."""

    type: EventType
    seq: int
    """of the message that it came with"""
    message: bytes
    """that message, whole"""
    log: EventLog

    @classmethod
    def parse(cls, entry: str, log: str) -> "OutboxEvent":
        kind, seq, made, message = entry.split(" ", 3)
        told = EventLog.parse(log) if log else EventLog(EventType(kind), int(made), int(made))
        return cls(EventType(kind), int(seq), message.encode(), told)


class ReceiverState(StrEnum):
    """How a receiver answers; the values are the scripts'."""

    PROMPT = "prompt"
    SLOW = "slow"
    """It accepted the last event, and took long for that or for a try within SLOW_MEMORY_SECONDS."""
    FAILING = "failing"
    """It did not accept the last event."""


class SlotShare(StrEnum):
    """The part of a worker's slots that a delivery may have. Each is within the one before; the values are the
    scripts'.
    """

    PROMPT = "prompt"
    """all slots, for receivers that answer promptly"""
    UNKNOWN = "unknown"
    """those for receivers of which nothing is known"""
    SLOW = "slow"
    """those for receivers that are slow or fail"""

    @classmethod
    def of(cls, state: ReceiverState | None) -> "SlotShare":
        if state is None:
            return cls.UNKNOWN
        return cls.PROMPT if state is ReceiverState.PROMPT else cls.SLOW


@dataclass(frozen=True, slots=True)
class DeliverySlots:
    """What a worker has for deliveries."""

    free: Mapping[SlotShare, int]
    """slots in each share that are free"""
    held: Mapping[SlotShare, Mapping[str, int]]
    """slots that each owner (`owner:` before it) and each receiver holds in each share"""
    freed: Sequence[tuple[SlotShare, str, str]] = ()
    """share, owner and receiver of each slot that became free since the worker took tasks"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The task to deliver the events of one job."""

    task: Task
    owner: str
    receiver: str
    endpoint: str
    url: str
    disabled: bool
    """whether the endpoint wants no more events"""
    state: ReceiverState | None
    """how the receiver answers; None where that isn't known"""
    event: OutboxEvent

    @classmethod
    def parse(cls, task: Task) -> "Delivery":
        told = task.fields
        return cls(
            task,
            told["owner"],
            told["receiver"],
            told["endpoint"],
            told["url"],
            disabled=bool(told["disabled"]),
            state=ReceiverState(told["state"]) if told["state"] else None,
            event=OutboxEvent.parse(told["event"], told["log"]),
        )


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of a try to deliver an event."""

    log: EventLog | None = None
    """None where nothing was tried"""
    settled: bool = False
    """whether the event is done with: accepted, or given up"""
    delay: float = 0
    """seconds until the next try, if it is not"""
    receiver_state: ReceiverState | None = None
    """how the receiver answered; None where it was not asked"""
    slow: bool = False
    """whether the try took longer than SLOW_SECONDS"""
    disabled: bool | None = None
    """whether the endpoint wants no more events from now on; None: unchanged"""


class DeliveryQueue(TaskQueue):
    """The queue of jobs with events for a receiver. A job's events are delivered in their order, one at a time."""

    def __init__(self, scripts: ScriptRunner) -> None:
        super().__init__(scripts, keys.DELIVERIES.removeprefix(keys.TASKS))
        self._hold_ms = 0

    async def take(
        self, count: int, hold: float, slots: DeliverySlots | None = None
    ) -> tuple[list[Task], float | None]:
        """As TaskQueue.take() does; tasks for which there is a slot in their share."""
        self._hold_ms = int(hold * 1000)
        if slots is None:
            slots = DeliverySlots(dict.fromkeys(SlotShare, count), {share: {} for share in SlotShare})
        free, held = ({share.value: each[share] for share in SlotShare} for each in (slots.free, slots.held))
        arguments = {"count": count, "hold_ms": self._hold_ms, "look": LOOK, "freed": slots.freed, **_PLACES}
        reply = await self._run("take_deliveries", free=free, held=held, **arguments)
        return parse_tasks(reply)

    async def settle(self, delivery: Delivery, settlement: Settlement) -> OutboxEvent | None:
        """Records what came of a try. Returns the job's next event, which the worker may deliver now, or None."""
        log = settlement.log.dump() if settlement.log else ""
        optional = {
            "receiver_state": settlement.receiver_state,
            "disabled_ms": None if settlement.disabled is None else DISABLED_SECONDS * 1000 * settlement.disabled,
        }
        reply = await self._settle(
            delivery.task,
            log=log,
            seq=delivery.event.seq,
            settled=settlement.settled,
            slow_ms=int(SLOW_MEMORY_SECONDS * 1000) if settlement.slow else 0,
            delay_ms=int(settlement.delay * 1000),
            **{name: value for name, value in optional.items() if value is not None},
        )
        return OutboxEvent.parse(reply[0].decode(), reply[1].decode()) if isinstance(reply, list) else None

    async def put_back(self, task: Task, delay: float = 0, **fields: str | float) -> bool:
        assert not fields  # they would be lost
        reply = await self._settle(task, log="", seq=0, settled=False, delay_ms=int(delay * 1000))
        return bool(reply != b"lost")

    async def _settle(self, task: Task, **arguments: Any) -> Any:
        told = {name: task.fields[name] for name in ("owner", "receiver", "endpoint")}
        return await self._run(
            "settle_delivery", id=task.id, taken=task.taken, hold_ms=self._hold_ms, **told, **_PLACES, **arguments
        )


_PLACES = {"places": PLACES, "unproven_places": UNPROVEN_PLACES}


@dataclass(frozen=True, slots=True)
class JobDeliveries:
    """What became of the events of a job."""

    webhook: Webhook | None
    disabled_until: int | None
    """ms since 1970, where its endpoint wants no more events"""
    logs: Mapping[int, EventLog] = field(default_factory=dict)
    """by the number of the message that the event came with"""


class ResendOutcome(StrEnum):
    """What resend() returns; the values are the script's."""

    SENT = "sent"
    WAITING = "waiting"
    """it waits already"""
    NONE = "none"
    """there is no such event"""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Events that wait for their receivers."""

    jobs: int
    oldest: float
    """seconds since the oldest was made; 0 where there is none"""


class WebhookStore:
    """What callers and operators see of webhooks. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner, record_seconds: int) -> None:
        self._scripts, self._record_seconds = scripts, record_seconds

    async def read(self, job_id: str) -> JobDeliveries:
        """What became of the events of a job; one that has no webhook has none."""
        pipe = self._scripts.redis.pipeline(transaction=True)
        pipe.hget(keys.JOB + job_id, "webhook")
        pipe.hgetall(keys.JOB + job_id + keys.DELIVERY_LOG)
        told, logs = await self._scripts.await_reply(pipe.execute())
        if not told:
            return JobDeliveries(None, None)
        text = told.decode()
        until = await self._scripts.await_reply(
            self._scripts.redis.zscore(keys.DISABLED_ENDPOINTS, text.split(" ", 3)[2])
        )
        found = {int(seq): EventLog.parse(log) for seq, log in sorted(logs.items(), key=lambda pair: int(pair[0]))}
        return JobDeliveries(Webhook.parse_record_field(text), int(until) if until else None, found)

    async def resend(
        self, job_id: str, seq: int, known: EventLog, now_ms: int, queue_bytes: int = QUEUE_BYTES
    ) -> ResendOutcome:
        """Puts an event into its job's outbox again, with the job's document as it is now.

        known: what became of it so far. queue_bytes: what all that waits may take. Raises RedisFull, and QuotaExceeded
        where too many events wait.
        """
        message = await self._scripts.await_reply(self._scripts.redis.hget(keys.JOB + job_id, "state"))
        if not message:
            return ResendOutcome.NONE
        log = replace(known, status="pending", since=now_ms, next_attempt=None, resent=True)
        outcome = await self._scripts.run(
            "resend_event",
            [keys.JOB + job_id],
            job_id=job_id,
            event=known.type,
            seq=seq,
            log=log.dump(),
            message=message,
            record_seconds=self._record_seconds,
            queue_bytes=queue_bytes,
        )
        if outcome == b"no_memory":
            raise RedisFull
        if outcome == b"events_waiting":
            raise QuotaExceeded("events_waiting", 0, EVENTS_RETRY_SECONDS)
        return ResendOutcome(outcome.decode())

    async def read_undelivered(self) -> Undelivered:
        """How many jobs have events that wait, and since when."""
        pipe = self._scripts.redis.pipeline(transaction=True)
        pipe.zcard(keys.UNDELIVERED)
        pipe.zrange(keys.UNDELIVERED, 0, 0, withscores=True)
        pipe.time()
        jobs, first, (seconds, micros) = await self._scripts.await_reply(pipe.execute())
        return Undelivered(jobs, max(0.0, seconds + micros / 1e6 - first[0][1] / 1000) if first else 0.0)
