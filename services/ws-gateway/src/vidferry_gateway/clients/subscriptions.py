"""Many jobs on one WebSocket: handles what its client sends, and keeps a watcher for each job."""

from collections import deque
from typing import Protocol

from vidferry_common.contract import subscriptions
from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.contract.subscriptions import Subscribe, SubscriptionError, Unsubscribe
from vidferry_gateway import frames
from vidferry_gateway.clients.connection import JOB_ID
from vidferry_gateway.clients.subscription_tickets import SubscriptionRefused, SubscriptionTickets
from vidferry_gateway.hub import Hub
from vidferry_gateway.message import Message, MessageKind, OutgoingMessage

_MAX_JOINING = 4
"""The most jobs of one socket that are joined at the same time. Each join sends a whole history: the histories of
hundreds of jobs leave as fast as the client reads, so that it does not count as slow."""


class Socket(Protocol):
    """The part of a WebSocket that its subscriptions use."""

    @property
    def paused(self) -> bool:
        """Whether the client is slow."""

    def enqueue(self, job_id: str, data: bytes, kind: MessageKind) -> None: ...
    def enqueue_required(self, data: bytes) -> None: ...
    def forget_progress(self, job_id: str) -> None: ...


class Subscription:
    """The subscription of a WebSocket to one job, and the hub's watcher of that job."""

    __slots__ = ("_group", "after", "job_id", "owner")

    def __init__(self, group: "Subscriptions", job_id: str, after: Cursor | None, owner: str | None) -> None:
        self._group, self.job_id, self.after, self.owner = group, job_id, after, owner

    def deliver(self, message: OutgoingMessage, kind: MessageKind) -> None:
        self._group.deliver(self, message, kind)

    def deliver_now(self, message: Message, kind: MessageKind) -> int:
        """Only enqueues: a message of another job may follow in the same read, and both leave in one write."""
        self._group.deliver(self, message, kind)
        return 0

    def end(self, code: CloseCode) -> None:
        self._group.end_subscription(self, code)


class Subscriptions:
    """The subscriptions of a WebSocket."""

    def __init__(self, socket: Socket, hub: Hub, limit: int, tickets: SubscriptionTickets | None = None) -> None:
        """tickets: where access isn't open."""
        self._socket, self._hub, self._limit, self._tickets = socket, hub, limit, tickets
        self._jobs: dict[str, Subscription] = {}
        self._waiting: deque[Subscription] = deque()
        self._joining: set[Subscription] = set()
        """joined, but nothing was delivered yet"""

    def handle_message(self, text: str) -> None:
        """Handles a message from the client."""
        match subscriptions.parse(text):
            case Subscribe(jobs, tickets):
                for job_id, after in jobs.items():
                    self._add_subscription(job_id, after, tickets.get(job_id))
                self.join_waiting()
            case Unsubscribe(job_ids):
                for job_id in job_ids:
                    self._remove_subscription(job_id)
                    self._send_text(subscriptions.unsubscribed_message(job_id))
            case None:
                self._send_text(SubscriptionError.INVALID_MESSAGE.to_message())

    def unsubscribe_all(self) -> None:
        """Removes all subscriptions, because the socket has ended."""
        self._waiting.clear()
        for job_id in tuple(self._jobs):
            self._remove_subscription(job_id)

    def join_waiting(self) -> None:
        """Joins as many jobs as may be joined now. Called after each write and when a slow client reads again."""
        while self._waiting and len(self._joining) < _MAX_JOINING and not self._socket.paused:
            subscription = self._waiting.popleft()
            if self._jobs.get(subscription.job_id) is subscription:
                self._joining.add(subscription)
                self._hub.join(subscription)

    # Called by the subscriptions

    def deliver(self, subscription: Subscription, message: OutgoingMessage, kind: MessageKind) -> None:
        self._joining.discard(subscription)
        self._socket.enqueue(subscription.job_id, message.frame, kind)

    def end_subscription(self, subscription: Subscription, code: CloseCode) -> None:
        """Called after a job's last message, or when there is no such job."""
        self._joining.discard(subscription)
        del self._jobs[subscription.job_id]
        if code is CloseCode.NO_SUCH_JOB:
            self._send_text(SubscriptionError.JOB_NOT_FOUND.to_message(subscription.job_id))

    # Internals

    def _add_subscription(self, job_id: str, after: Cursor | None, ticket: str | None) -> None:
        """Subscribes to a job. An earlier subscription to it is replaced, so that the new cursor counts."""
        self._remove_subscription(job_id)
        try:
            owner = self._check_subscription(job_id, ticket)
        except SubscriptionRefused as refusal:
            self._send_text(refusal.error.to_message(job_id))
            return
        subscription = self._jobs[job_id] = Subscription(self, job_id, after, owner)
        self._waiting.append(subscription)

    def _check_subscription(self, job_id: str, ticket: str | None) -> str | None:
        """Whose the job has to be; None if that needs no check. Raises SubscriptionRefused."""
        if not JOB_ID.fullmatch(job_id):
            raise SubscriptionRefused(SubscriptionError.JOB_NOT_FOUND)
        if len(self._jobs) >= self._limit:
            raise SubscriptionRefused(SubscriptionError.TOO_MANY_JOBS)
        return None if self._tickets is None else self._tickets.find_required_owner(job_id, ticket)

    def _remove_subscription(self, job_id: str) -> None:
        subscription = self._jobs.pop(job_id, None)
        if subscription is not None:
            self._joining.discard(subscription)
            self._hub.leave(subscription)
            self._socket.forget_progress(job_id)

    def _send_text(self, payload: bytes) -> None:
        self._socket.enqueue_required(frames.text_frame(payload))
