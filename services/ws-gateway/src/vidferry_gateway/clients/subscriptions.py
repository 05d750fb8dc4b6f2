"""Many jobs on one WebSocket: what its client says, and a watcher for each job."""

from collections import deque
from typing import Protocol

from vidferry_common.contract import subscriptions
from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.contract.subscriptions import Subscribe, SubscriptionError, Unsubscribe
from vidferry_gateway import frames
from vidferry_gateway.clients.connection import JOB_ID
from vidferry_gateway.hub import Hub
from vidferry_gateway.message import Kind, Message, Outgoing

_AT_ONCE = 4
"""Jobs of one socket that are read at once. Each answer is a whole history: who subscribes to hundreds is sent them one
after the other, as it takes them, and is not taken for a slow one."""


class Socket(Protocol):
    """The part of a WebSocket that its subscriptions use."""

    @property
    def paused(self) -> bool:
        """Whether the client does not take what it is sent."""

    def enqueue(self, job_id: str, data: bytes, kind: Kind) -> None: ...
    def enqueue_required(self, data: bytes) -> None: ...
    def forget_progress(self, job_id: str) -> None: ...


class Subscription:
    """A subscription of a WebSocket to one job: the hub's watcher of it."""

    __slots__ = ("_group", "after", "job_id")

    def __init__(self, group: "Subscriptions", job_id: str, after: Cursor | None) -> None:
        self._group, self.job_id, self.after = group, job_id, after

    def deliver(self, message: Outgoing, kind: Kind) -> None:
        self._group.deliver(self, message, kind)

    def deliver_at_once(self, message: Message, kind: Kind) -> int:
        """Not at once, since another job's may come in the same read."""
        self._group.deliver(self, message, kind)
        return 0

    def end(self, code: CloseCode) -> None:
        self._group.end_subscription(self, code)


class Subscriptions:
    """The jobs of a WebSocket: subscribed to, or about to be."""

    def __init__(self, socket: Socket, hub: Hub, limit: int) -> None:
        self._socket, self._hub, self._limit = socket, hub, limit
        self._jobs: dict[str, Subscription] = {}
        self._waiting: deque[Subscription] = deque()
        self._reading: set[Subscription] = set()
        """joined, and nothing has come yet"""

    def handle_message(self, text: str) -> None:
        """A client's message."""
        match subscriptions.parse(text):
            case Subscribe(jobs):
                for job_id, after in jobs.items():
                    self._subscribe(job_id, after)
                self.join_waiting()
            case Unsubscribe(job_ids):
                for job_id in job_ids:
                    self._remove(job_id)
                    self._send_text(subscriptions.unsubscribed_message(job_id))
            case None:
                self._send_text(SubscriptionError.INVALID_MESSAGE.to_message())

    def unsubscribe_all(self) -> None:
        """The socket has ended."""
        self._waiting.clear()
        for job_id in tuple(self._jobs):
            self._remove(job_id)

    def join_waiting(self) -> None:
        """Joins as many jobs as there is room for: after each write, and when the client has read on."""
        while self._waiting and len(self._reading) < _AT_ONCE and not self._socket.paused:
            subscription = self._waiting.popleft()
            if self._jobs.get(subscription.job_id) is subscription:
                self._reading.add(subscription)
                self._hub.join(subscription)

    # The subscriptions

    def deliver(self, subscription: Subscription, message: Outgoing, kind: Kind) -> None:
        self._reading.discard(subscription)
        self._socket.enqueue(subscription.job_id, message.frame, kind)

    def end_subscription(self, subscription: Subscription, code: CloseCode) -> None:
        """The last message has been sent, or there is no such job."""
        self._reading.discard(subscription)
        del self._jobs[subscription.job_id]
        if code is CloseCode.NO_SUCH_JOB:
            self._send_text(SubscriptionError.JOB_NOT_FOUND.to_message(subscription.job_id))

    # Within

    def _subscribe(self, job_id: str, after: Cursor | None) -> None:
        """Anew where it was subscribed to already: then the new cursor counts."""
        self._remove(job_id)
        if not JOB_ID.fullmatch(job_id):
            self._send_text(SubscriptionError.JOB_NOT_FOUND.to_message(job_id))
        elif len(self._jobs) >= self._limit:
            self._send_text(SubscriptionError.TOO_MANY_JOBS.to_message(job_id))
        else:
            subscription = self._jobs[job_id] = Subscription(self, job_id, after)
            self._waiting.append(subscription)

    def _remove(self, job_id: str) -> None:
        subscription = self._jobs.pop(job_id, None)
        if subscription is not None:
            self._reading.discard(subscription)
            self._hub.leave(subscription)
            self._socket.forget_progress(job_id)

    def _send_text(self, payload: bytes) -> None:
        self._socket.enqueue_required(frames.text_frame(payload))
