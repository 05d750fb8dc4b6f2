"""Delivers the events of a job, in their order: what is sent, what counts as delivered, and what follows otherwise."""

import logging
import time
from dataclasses import replace
from urllib.parse import urlsplit

from vidferry_common.contract.trace import find_traceparent
from vidferry_common.metrics.catalogue import DeliveryOutcome
from vidferry_common.store import Delivery, DeliveryAttempt, DeliveryQueue, OutboxEvent, ReceiverState, Settlement, Task
from vidferry_common.store.webhooks import SLOW_SECONDS
from vidferry_common.tracing import NO_TRACER, Attributes, Span, SpanKind, Tracer, UntracedSpan, log_ids
from vidferry_worker.metrics import WorkerMetrics
from vidferry_worker.webhooks.request import make_request
from vidferry_worker.webhooks.schedule import next_delay
from vidferry_worker.webhooks.secrets import SigningSecrets
from vidferry_worker.webhooks.sender import Answer, DeliveryError, NotDelivered, WebhookSender
from vidferry_worker.webhooks.slots import SlotCounter

logger = logging.getLogger(__name__)

GONE = 410
"""The receiver wants no more events: the endpoint is disabled."""
_ACCEPTED = range(200, 300)


class Deliverer:
    """Takes and does the tasks of the queue of deliveries."""

    def __init__(
        self,
        queue: DeliveryQueue,
        secrets: SigningSecrets,
        sender: WebhookSender,
        metrics: WorkerMetrics,
        slots: int,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        """slots: the most deliveries at once."""
        self._tracer = tracer
        self._queue, self._secrets, self._sender, self._metrics = queue, secrets, sender, metrics
        self._slots = SlotCounter(slots)

    async def take(self, count: int, hold: float) -> tuple[list[Task], float | None]:
        """Takes tasks, as TaskQueue.take() does."""
        return await self._queue.take(count, hold, self._slots.count_slots())

    async def deliver(self, task: Task) -> None:
        """Delivers the events of a job until none is left, or one is not accepted."""
        delivery = Delivery.parse(task)
        with self._slots.hold(delivery):
            await self._deliver(delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        event: OutboxEvent | None = delivery.event
        while event is not None:
            delivery = replace(delivery, event=event)
            settlement, outcome, span = await self._try(delivery)
            event = await self._queue.settle(delivery, settlement)
            self._metrics.webhooks.add(outcome)
            _log_outcome(delivery, settlement, outcome, span)
            if settlement.disabled is not None:
                delivery = replace(delivery, disabled=settlement.disabled)

    async def _try(self, delivery: Delivery) -> tuple[Settlement, DeliveryOutcome, Span]:
        """Sends the event once. The span has ended."""
        log = delivery.event.log
        if delivery.disabled and not log.resent:
            settlement = Settlement(replace(log, status="disabled", next_attempt=None), settled=True)
            return settlement, DeliveryOutcome.DISABLED, UntracedSpan(find_traceparent(delivery.event.message))
        began, clock = time.time(), time.monotonic()
        span = self._begin_span(delivery)
        answer: Answer | DeliveryError
        try:
            answer = await self._send(delivery, began)
        except NotDelivered as error:
            answer = error.error
        settlement, outcome = judge(delivery, answer, began, time.monotonic() - clock)
        _end_span(span, answer, outcome)
        return settlement, outcome, span

    def _begin_span(self, delivery: Delivery) -> Span:
        """The span of one try. It names the receiver by its host: the rest of its URL may be a secret."""
        event = delivery.event
        span = self._tracer.begin("POST webhook", SpanKind.CLIENT, find_traceparent(event.message))
        if span.recorded:
            told: Attributes = {
                "http.request.method": "POST",
                "server.address": urlsplit(delivery.url).hostname or "",
                "vidferry.job.id": delivery.task.id,
                "vidferry.event": event.type,
                "vidferry.attempt": event.log.attempt_count + 1,
            }
            span.set(told)
        return span

    async def _send(self, delivery: Delivery, now: float) -> Answer:
        secrets = self._secrets.find(delivery.owner)
        if not secrets:
            raise NotDelivered(DeliveryError.NO_SECRET)
        headers, body = make_request(delivery.task.id, delivery.event, secrets, now)
        return await self._sender.post(delivery.url, headers, body)


def _end_span(span: Span, answer: Answer | DeliveryError, outcome: DeliveryOutcome) -> None:
    span.set({"vidferry.outcome": outcome})
    if isinstance(answer, Answer):
        span.set({"http.response.status_code": answer.status})
    if outcome is not DeliveryOutcome.DELIVERED:
        span.fail(str(answer.status) if isinstance(answer, Answer) else answer)
    span.end()


def judge(
    delivery: Delivery, answer: Answer | DeliveryError, began: float, seconds: float
) -> tuple[Settlement, DeliveryOutcome]:
    """What comes of a try. began: seconds since 1970. Pure but for the lot that draws the delay."""
    log = delivery.event.log
    status = answer.status if isinstance(answer, Answer) else None
    error = answer if isinstance(answer, DeliveryError) else None
    attempt = DeliveryAttempt(int(began * 1000), round(seconds, 3), status, error)
    slow = seconds > SLOW_SECONDS
    state = ReceiverState.SLOW if slow else ReceiverState.PROMPT
    if status in _ACCEPTED:
        settled = Settlement(log.with_attempt(attempt, "delivered"), settled=True, receiver_state=state, slow=slow,
                             disabled=False if delivery.disabled else None)  # fmt: skip
        return settled, DeliveryOutcome.DELIVERED
    if status == GONE:
        gone = Settlement(
            log.with_attempt(attempt, "disabled"), settled=True, receiver_state=state, slow=slow, disabled=True
        )
        return gone, DeliveryOutcome.DISABLED
    failing = None if error is DeliveryError.NO_SECRET else ReceiverState.FAILING  # then nobody was asked
    now = began + seconds
    retry_after = answer.retry_after if isinstance(answer, Answer) else None
    delay = next_delay(_count_failures(delivery), now - log.since / 1000, retry_after)
    if delay is None:
        return Settlement(
            log.with_attempt(attempt, "failed"), settled=True, receiver_state=failing, slow=slow
        ), DeliveryOutcome.GIVEN_UP
    waiting = log.with_attempt(attempt, "pending", int((now + delay) * 1000))
    return Settlement(waiting, delay=delay, receiver_state=failing, slow=slow), DeliveryOutcome.RETRIED


def _count_failures(delivery: Delivery) -> int:
    """With this one; of an event that is sent again, those of before count as well, so it waits for longer."""
    return delivery.event.log.attempt_count + 1


def _log_outcome(delivery: Delivery, settlement: Settlement, outcome: DeliveryOutcome, span: Span) -> None:
    """Names the receiver by its host: the rest of its URL may be a secret."""
    last = settlement.log.attempts[-1] if settlement.log and settlement.log.attempts else None
    told = {
        "job_id": delivery.task.id,
        "owner": delivery.owner,
        "outcome": outcome,
        "event": delivery.event.type,
        "receiver": urlsplit(delivery.url).hostname,
        "status": last.status if last else None,
        "error": last.error if last else None,
        **log_ids(span),
    }
    match outcome:
        case DeliveryOutcome.DELIVERED | DeliveryOutcome.RETRIED:
            logger.debug("a webhook was tried", extra=told)
        case DeliveryOutcome.GIVEN_UP:
            logger.warning("a webhook is given up after a day", extra=told)
        case DeliveryOutcome.DISABLED:
            logger.info("the endpoint of a webhook wants no more events", extra=told)
