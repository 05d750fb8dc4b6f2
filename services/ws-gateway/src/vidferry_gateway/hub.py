"""The routing core: who watches what, and which message goes to whom. No I/O.

A watcher of a job waits until a read of the job, sent after the channel's SUBSCRIBE on the same connection, is
answered. What was published before that answer is in it; what arrives later is newer. So the answer divides the
messages into those that the watcher is sent from the record and those that it is sent as they come, and it misses and
repeats none. The same holds for a topic that is read again after a lost connection, and the record then counts also
where it is older than what was sent: a failover may have lost writes.

All watchers that have joined a topic are at the same place in it, so the place is the topic's.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_gateway import frames
from vidferry_gateway.message import Foreign, Kind, Message, Outgoing, parse_message
from vidferry_gateway.metrics import GatewayMetrics

_log = logging.getLogger(__name__)


class Watcher(Protocol):
    """One client's interest in one job."""

    @property
    def job_id(self) -> str: ...

    @property
    def after(self) -> Cursor | None:
        """Where the client was when it was last cut off."""

    def deliver(self, message: Outgoing, kind: Kind) -> None:
        """Adds a message to what the client is sent next. Must not call the hub."""

    def deliver_at_once(self, message: Message, kind: Kind) -> int:
        """As deliver, but where nothing else waits for the client it is written at once; returns how many were."""

    def end(self, code: CloseCode) -> None:
        """The last message was delivered; the hub has forgotten the watcher."""


@dataclass(slots=True, eq=False)
class Topic:
    """A watched job."""

    job_id: str
    joined: dict[Watcher, None] = field(default_factory=dict)
    waiting: list[Watcher] = field(default_factory=list)
    """for the next read"""
    reads: "list[Read]" = field(default_factory=list)
    """sent and not yet answered"""
    last: Message | None = None
    """the newest message that those who joined were sent"""
    due: Kind | None = None
    """the kind of the last message, while those who joined have yet to get it"""
    subscribed: bool = False
    stale: bool = False
    """the connection was lost, and nobody who joined is told more before the record is read again"""

    def is_idle(self) -> bool:
        return not (self.joined or self.waiting or any(each.watchers for each in self.reads))


@dataclass(slots=True, eq=False)
class Read:
    """A question to Redis: the job's record as it is now."""

    topic: Topic
    watchers: list[Watcher]
    early: list[Foreign] = field(default_factory=list)
    """messages of other publishers that came after SUBSCRIBE and before the answer: no record holds them"""


@dataclass(slots=True)
class Work:
    """What the connection has to send, in this order. The reads are answered in theirs."""

    unsubscribe: list[str]
    subscribe: list[str]
    read: list[str]


class Hub:
    """The topics of a gateway, and what its connection to Redis has to send for them.

    wake is called when there is work; it may be called often and must not call back at once. doubt is called so where
    Redis knows no such job, if what it says may be out of date; believe_absence() answers. Without doubt Redis is
    believed.
    """

    def __init__(
        self, wake: Callable[[], None], metrics: GatewayMetrics, doubt: Callable[[], None] | None = None
    ) -> None:
        self._wake, self._metrics, self._doubt = wake, metrics, doubt
        self._doubted: set[Topic] = set()
        self._debug = _log.isEnabledFor(logging.DEBUG)
        """asked once: the logger itself takes longer to answer than a message takes here"""
        self._topics: dict[bytes, Topic] = {}
        """by job id, as Redis names it"""
        self._wanted: dict[Topic, None] = {}
        """topics to be read"""
        self._dropped: dict[str, None] = {}
        """job ids to unsubscribe from"""
        self._in_flight: deque[Read] = deque()
        self._due_topics: list[Topic] = []
        """those whose last message came with what is being read of the connection, and has yet to be delivered"""

    @property
    def reads_in_flight(self) -> int:
        """Reads that are not yet answered."""
        return len(self._in_flight)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to send."""
        return not (self._wanted or self._dropped)

    # Watchers come and go.

    def join(self, watcher: Watcher) -> None:
        """The watcher gets what its job's record holds after its cursor, then all that follows."""
        topic = self._topics.get(watcher.job_id.encode())
        if topic is None:
            topic = self._topics[watcher.job_id.encode()] = Topic(watcher.job_id)
            if watcher.job_id in self._dropped:
                del self._dropped[watcher.job_id]
                topic.subscribed = True
        topic.waiting.append(watcher)
        self._want_read(topic)

    def leave(self, watcher: Watcher) -> None:
        """Nothing more is delivered; may be called for a watcher that has ended."""
        topic = self._topics.get(watcher.job_id.encode())
        if topic is None:
            return
        topic.joined.pop(watcher, None)
        for group in (topic.waiting, *(each.watchers for each in topic.reads)):
            if watcher in group:
                group.remove(watcher)
        self._drop_if_idle(topic)

    # The connection asks what to send, and tells what it heard.

    def take_work(self, room: int) -> Work:
        """Hands out what to send now, with no more than room reads."""
        work = Work([*self._dropped], [], [])
        self._dropped.clear()
        while self._wanted and len(work.read) < room:
            topic = next(iter(self._wanted))
            del self._wanted[topic]
            if not topic.subscribed:
                topic.subscribed = True
                work.subscribe.append(topic.job_id)
            question = Read(topic, topic.waiting)
            topic.waiting = []
            topic.reads.append(question)
            self._in_flight.append(question)
            work.read.append(topic.job_id)
        return work

    def connection_lost(self) -> None:
        """The connection is gone, and with it subscriptions and answers: everything watched is read again."""
        self._in_flight.clear()
        self._dropped.clear()
        self._doubted.clear()
        for topic in self._topics.values():
            topic.subscribed, topic.stale = False, True
            for question in topic.reads:
                topic.waiting.extend(question.watchers)
            topic.reads.clear()
            self._want_read(topic)

    def receive(self, job_id: bytes, raw: bytes) -> None:
        """Takes in a message that was published; deliver_due() follows in the same turn of the loop."""
        metrics = self._metrics
        metrics.messages_received += 1
        topic = self._topics.get(job_id)
        if topic is None or not (topic.joined or topic.reads):
            return
        message = parse_message(raw)
        if message is None:
            self._receive_foreign(topic, raw)
            return
        last = topic.last
        if topic.stale or not topic.joined or not message.follows(last):
            return
        self._deliver_due_of(topic, alone=False)  # the one before it in the same read, so that both leave in one write
        topic.last, topic.due = message, message.kind_after(last)
        if message.terminal:
            self._deliver_due_of(topic, alone=False)
            self._end_watchers(topic, topic.joined, CloseCode.ENDED)
        else:
            self._due_topics.append(topic)

    def deliver_due(self) -> None:
        """Delivers what is still due after a read of the connection: it is the only message of its job."""
        due, self._due_topics = self._due_topics, []
        for topic in due:
            self._deliver_due_of(topic, alone=True)

    def answer_read(self, state: bytes | None, history: Sequence[bytes]) -> None:
        """The oldest read was answered; state is None where there is no such job."""
        question = self._in_flight.popleft()
        topic = question.topic
        topic.reads.remove(question)
        self._deliver_due_of(topic, alone=False)
        self._doubted.discard(topic)
        if state is None and self._doubt is not None:
            topic.waiting.extend(question.watchers)
            self._doubted.add(topic)
            self._doubt()
            return
        if state is None:
            self._end_watchers(topic, [*topic.joined, *question.watchers], CloseCode.NO_SUCH_JOB)
            return
        newest = parse_message(state)
        if newest is None:
            _log.error("the record of a job holds an invalid state", extra={"job_id": topic.job_id})
            self._end_watchers(topic, [*topic.joined, *question.watchers], CloseCode.NO_SUCH_JOB)
            return
        steps = [message for message in map(parse_message, history) if message is not None]
        self._catch_up(topic, newest, steps)
        for watcher in question.watchers:
            missed = [step for step in steps if step.is_after(watcher.after)]
            self._deliver_each((watcher,), _with_newest(newest, missed), None, topic.job_id)
            for message in question.early:
                _deliver_to_all((watcher,), message, Kind.FOREIGN, topic.job_id)
            topic.joined[watcher] = None
        self._metrics.joins += len(question.watchers)
        topic.last, topic.stale = newest, False
        if newest.terminal:
            self._end_watchers(topic, topic.joined, CloseCode.ENDED)
        else:
            self._drop_if_idle(topic)

    def doubted_topics(self) -> set[Topic]:
        """Those without a job, as Redis said before now."""
        return self._doubted.copy()

    def believe_absence(self, topics: set[Topic]) -> None:
        """What Redis said of these was right, unless it has been asked again since."""
        for topic in topics & self._doubted:
            self._doubted.discard(topic)
            waiting, topic.waiting = topic.waiting, []
            self._end_watchers(topic, [*topic.joined, *waiting], CloseCode.NO_SUCH_JOB)

    # Within.

    def _deliver_due_of(self, topic: Topic, *, alone: bool) -> None:
        """Delivers what is due to those who joined: at once, where nothing can follow that fits into the same write."""
        kind, message, metrics = topic.due, topic.last, self._metrics
        if kind is None or message is None:
            return
        topic.due = None
        held, sent = metrics.messages_held, 0
        if alone:
            for watcher in topic.joined:
                sent += watcher.deliver_at_once(message, kind)
            metrics.messages_sent += sent
            if self._debug:
                _log_forwarded(topic.joined, topic.job_id)
        else:
            _deliver_to_all(topic.joined, message, kind, topic.job_id)
        metrics.note_delivery(message.timestamp, len(topic.joined) - metrics.messages_held + held)

    def _catch_up(self, topic: Topic, newest: Message, steps: list[Message]) -> None:
        """Brings those who have joined to the record, where it differs from what they were sent."""
        last = topic.last
        if not topic.joined or newest.is_same_as(last):
            return
        # A record that went back says nothing about which of its steps were sent: all of them count.
        place = last if newest.follows(last) else None
        missed = [step for step in steps if step.follows(place)]
        self._deliver_each(topic.joined, _with_newest(newest, missed), last, topic.job_id)

    def _deliver_each(
        self, watchers: Collection[Watcher], messages: Iterable[Message], previous: Message | None, job_id: str
    ) -> None:
        for message in messages:
            _deliver_to_all(watchers, message, message.kind_after(previous), job_id)
            previous = message

    def _receive_foreign(self, topic: Topic, raw: bytes) -> None:
        message = Foreign(frames.unchanged_frame(raw))
        self._deliver_due_of(topic, alone=False)
        _deliver_to_all(topic.joined, message, Kind.FOREIGN, topic.job_id)
        for question in topic.reads:
            question.early.append(message)

    def _end_watchers(self, topic: Topic, watchers: Iterable[Watcher], code: CloseCode) -> None:
        ended = tuple(watchers)
        topic.joined.clear()
        for watcher in ended:
            watcher.end(code)
        self._drop_if_idle(topic)

    def _want_read(self, topic: Topic) -> None:
        self._wanted[topic] = None
        self._wake()

    def _drop_if_idle(self, topic: Topic) -> None:
        if not topic.is_idle() or self._topics.get(topic.job_id.encode()) is not topic:
            return
        del self._topics[topic.job_id.encode()]
        self._wanted.pop(topic, None)
        self._doubted.discard(topic)
        if topic.subscribed:
            self._dropped[topic.job_id] = None
            self._wake()


def _with_newest(newest: Message, steps: list[Message]) -> list[Message]:
    """The steps, then the state where it is not the last of them. Never empty."""
    return steps if steps and not newest.follows(steps[-1]) else [*steps, newest]


def _deliver_to_all(watchers: Iterable[Watcher], message: Outgoing, kind: Kind, job_id: str) -> None:
    for watcher in watchers:
        watcher.deliver(message, kind)
    if _log.isEnabledFor(logging.DEBUG):
        _log_forwarded(watchers, job_id)


def _log_forwarded(watchers: Iterable[Watcher], job_id: str) -> None:
    for _ in watchers:
        _log.debug("forwarded to socket", extra={"job_id": job_id})
