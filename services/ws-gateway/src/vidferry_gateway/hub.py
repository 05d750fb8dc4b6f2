"""Routes messages to watchers: which client watches which job, and which message goes to whom. No I/O.

A new watcher waits until Redis has answered a read of the job's record. The read is sent on the same connection as the
channel's SUBSCRIBE, and after it: the answer contains everything that was published before it, and whatever arrives
later is newer. So the watcher first gets what the record holds, then every message as it comes, and misses and repeats
none. A topic is read again in the same way after a lost connection. The record then counts even where it is older than
what was sent, since a failover may have lost writes.

All watchers that have joined a topic have been sent the same messages, so the position is kept in the topic.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.messages import Cursor
from vidferry_common.contract.trace import find_traceparent, is_recorded, trace_id
from vidferry_gateway import frames
from vidferry_gateway.link_tickets import JobTickets, LinkTickets
from vidferry_gateway.message import ForeignMessage, Message, MessageKind, OutgoingMessage, parse_message
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_gateway.watch_traces import WatchTraces

_log = logging.getLogger(__name__)


class Watcher(Protocol):
    """The subscription of one client to one job."""

    @property
    def job_id(self) -> str: ...

    @property
    def after(self) -> Cursor | None:
        """The cursor of the last message that the client received on an earlier connection."""

    @property
    def owner(self) -> str | None:
        """Whose the job has to be; None if that needs no check, since access is open or the ticket is the job's."""

    def deliver(self, message: OutgoingMessage, kind: MessageKind) -> None:
        """Adds a message to what the client is sent next. Must not call the hub."""

    def deliver_now(self, message: Message, kind: MessageKind) -> int:
        """Like deliver, but writes the message immediately if nothing else is queued for the client.

        Returns the number of messages written, 0 or 1.
        """

    def end(self, code: CloseCode) -> None:
        """Called after the last message was delivered. The hub has already forgotten the watcher."""


@dataclass(slots=True, eq=False)
class Topic:
    """A watched job, with its watchers."""

    job_id: str
    joined: dict[Watcher, None] = field(default_factory=dict)
    """watchers that were sent the record and now get each message as it comes"""
    waiting: list[Watcher] = field(default_factory=list)
    """watchers for the next read"""
    reads: "list[RecordRead]" = field(default_factory=list)
    """sent and not yet answered"""
    last: Message | None = None
    """the newest message for those who joined"""
    pending_kind: MessageKind | None = None
    """the kind of the last message while it has yet to be delivered, else None"""
    subscribed: bool = False
    stale: bool = False
    """the connection was lost: those who joined get nothing more until the record has been read again"""
    tickets: JobTickets | None = None
    """the tickets of its links, where access isn't open and a message has come"""
    delivered: int = 0
    """messages that those who joined were sent"""
    traceparent: str = ""
    """the job's, once its record was read"""
    recorded_trace: str = ""
    """the id of its trace, where traces are recorded and this one is"""

    def is_idle(self) -> bool:
        return not (self.joined or self.waiting or any(each.watchers for each in self.reads))


@dataclass(slots=True, eq=False)
class RecordRead:
    """A read of a job's record that Redis has not answered yet."""

    topic: Topic
    watchers: list[Watcher]
    early: list[ForeignMessage] = field(default_factory=list)
    """messages of other publishers that came between SUBSCRIBE and the answer; no record contains them"""


@dataclass(slots=True)
class Commands:
    """The job ids of the commands to send to Redis, in this order. Redis answers the reads in order."""

    unsubscribe: list[str]
    subscribe: list[str]
    read: list[str]


class Hub:
    """The topics of a gateway, and the commands that its connection to Redis has to send for them.

    on_commands is called when there are commands to send. It may be called often, and must not call the hub back from
    within the call.

    verify_absence is called in the same way when Redis knows no such job but may be out of date. Whoever verified it
    calls confirm_absence(). Without this callback an absence counts at once.

    link_tickets is given where access isn't open, and adds tickets to the messages' links. traces is given where traces
    are recorded.
    """

    def __init__(
        self,
        on_commands: Callable[[], None],
        metrics: GatewayMetrics,
        verify_absence: Callable[[], None] | None = None,
        link_tickets: LinkTickets | None = None,
        traces: WatchTraces | None = None,
    ) -> None:
        self._on_commands, self._metrics, self._verify_absence = on_commands, metrics, verify_absence
        self._link_tickets, self._traces = link_tickets, traces
        self._unverified: set[Topic] = set()
        """topics whose job Redis does not know, while that is not verified"""
        self._debug = _log.isEnabledFor(logging.DEBUG)
        """read once: asking the logger takes longer than routing a message"""
        self._topics: dict[bytes, Topic] = {}
        """by job id, in bytes as Redis sends it"""
        self._topics_to_read: dict[Topic, None] = {}
        self._to_unsubscribe: dict[str, None] = {}
        """by job id"""
        self._in_flight: deque[RecordRead] = deque()
        self._pending_topics: list[Topic] = []
        """topics whose last message has yet to be delivered; it came with the current read of the connection"""

    @property
    def reads_in_flight(self) -> int:
        """The number of reads that are not yet answered."""
        return len(self._in_flight)

    @property
    def has_commands(self) -> bool:
        """Whether there is anything to send to Redis."""
        return bool(self._topics_to_read or self._to_unsubscribe)

    # Called for watchers

    def join(self, watcher: Watcher) -> None:
        """Adds a watcher. It gets what its job's record holds after its cursor, then each message as it comes."""
        topic = self._topics.get(watcher.job_id.encode())
        if topic is None:
            topic = self._topics[watcher.job_id.encode()] = Topic(watcher.job_id)
            if watcher.job_id in self._to_unsubscribe:
                del self._to_unsubscribe[watcher.job_id]
                topic.subscribed = True
        topic.waiting.append(watcher)
        if self._traces is not None:
            self._traces.note_join(watcher)
        self._schedule_read(topic)

    def leave(self, watcher: Watcher) -> None:
        """Removes a watcher: nothing more is delivered to it. Does nothing for a watcher that has ended."""
        topic = self._topics.get(watcher.job_id.encode())
        if topic is None:
            return
        topic.joined.pop(watcher, None)
        for group in (topic.waiting, *(each.watchers for each in topic.reads)):
            if watcher in group:
                group.remove(watcher)
        self._trace_ends(topic, (watcher,), "left")
        self._drop_if_idle(topic)

    def find_trace(self, job_id: str) -> str:
        """The id of a watched job's trace; empty before its record was read, and for a job that nobody watches."""
        topic = self._topics.get(job_id.encode())
        return trace_id(topic.traceparent) if topic else ""

    # Called by the connection to Redis

    def take_commands(self, max_reads: int) -> Commands:
        """Hands out what to send now, with at most max_reads reads."""
        commands = Commands([*self._to_unsubscribe], [], [])
        self._to_unsubscribe.clear()
        while self._topics_to_read and len(commands.read) < max_reads:
            topic = next(iter(self._topics_to_read))
            del self._topics_to_read[topic]
            if not topic.subscribed:
                topic.subscribed = True
                commands.subscribe.append(topic.job_id)
            read = RecordRead(topic, topic.waiting)
            topic.waiting = []
            topic.reads.append(read)
            self._in_flight.append(read)
            commands.read.append(topic.job_id)
        return commands

    def connection_lost(self) -> None:
        """Schedules a read of every watched job: subscriptions and unanswered reads went with the connection."""
        self._in_flight.clear()
        self._to_unsubscribe.clear()
        self._unverified.clear()
        for topic in self._topics.values():
            topic.subscribed, topic.stale = False, True
            for read in topic.reads:
                topic.waiting.extend(read.watchers)
            topic.reads.clear()
            self._schedule_read(topic)

    def receive_message(self, job_id: bytes, raw: bytes) -> None:
        """Handles a published message. The caller calls deliver_pending() in the same iteration of the event loop."""
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
        if topic.stale or not topic.joined or not message.is_newer_than(last):
            return
        if self._link_tickets is not None:
            self._add_tickets(topic, message, raw)
        # An earlier message of the same read is only enqueued, so that both leave in one write.
        self._deliver_pending_of(topic, alone=False)
        topic.last, topic.pending_kind = message, message.kind_after(last)
        if message.terminal:
            self._deliver_pending_of(topic, alone=False)
            self._end_watchers(topic, topic.joined, CloseCode.ENDED)
        else:
            self._pending_topics.append(topic)

    def deliver_pending(self) -> None:
        """Delivers what is still pending after a read of the connection: for each job its last message."""
        pending, self._pending_topics = self._pending_topics, []
        for topic in pending:
            self._deliver_pending_of(topic, alone=True)

    def answer_read(self, state: bytes | None, history: Sequence[bytes], owner: bytes | None = None) -> None:
        """Handles the answer to the oldest read; state is None if there is no such job, and owner where access is open.

        A watcher of jobs of another owner is told that there is no such job.
        """
        read = self._in_flight.popleft()
        topic = read.topic
        topic.reads.remove(read)
        self._deliver_pending_of(topic, alone=False)
        self._unverified.discard(topic)
        if state is None and self._verify_absence is not None:
            topic.waiting.extend(read.watchers)
            self._unverified.add(topic)
            self._verify_absence()
            return
        if state is None:
            self._end_watchers(topic, [*topic.joined, *read.watchers], CloseCode.NO_SUCH_JOB)
            return
        newest = parse_message(state)
        if newest is None:
            _log.error("the record of a job holds an invalid state", extra={"job_id": topic.job_id})
            self._end_watchers(topic, [*topic.joined, *read.watchers], CloseCode.NO_SUCH_JOB)
            return
        steps = [message for message in map(parse_message, history) if message is not None]
        if self._link_tickets is not None:
            self._add_tickets(topic, newest, state)
            for step in steps:
                self._add_tickets(topic, step, frames.frame_payload(step.frame))
        self._note_trace(topic, state)
        self._catch_up(topic, newest, steps)
        strangers = [] if owner is None else _take_strangers(read.watchers, owner.decode())
        for watcher in read.watchers:
            missed = [step for step in steps if step.is_after(watcher.after)]
            first = _with_newest(newest, missed)
            self._deliver_each((watcher,), first, None, topic)
            for message in read.early:
                _deliver_to_all((watcher,), message, MessageKind.FOREIGN, topic)
            topic.joined[watcher] = None
            self._trace_begin(topic, watcher, len(first) + len(read.early))
        self._metrics.joins += len(read.watchers)
        topic.last, topic.stale = newest, False
        if newest.terminal:
            self._end_watchers(topic, topic.joined, CloseCode.ENDED)
        else:
            self._drop_if_idle(topic)
        self._trace_ends(topic, strangers, "refused")
        for watcher in strangers:
            watcher.end(CloseCode.NO_SUCH_JOB)

    def unverified_topics(self) -> set[Topic]:
        """Topics whose job Redis does not know, which confirm_absence() is still to be called for."""
        return self._unverified.copy()

    def confirm_absence(self, topics: set[Topic]) -> None:
        """Ends the watchers of these topics: their jobs do not exist. Skips topics that are being read again."""
        for topic in topics & self._unverified:
            self._unverified.discard(topic)
            waiting, topic.waiting = topic.waiting, []
            self._end_watchers(topic, [*topic.joined, *waiting], CloseCode.NO_SUCH_JOB)

    # Internals

    def _deliver_pending_of(self, topic: Topic, *, alone: bool) -> None:
        """Delivers a topic's pending message. alone: nothing can follow in the same write, so it is written now."""
        kind, message, metrics = topic.pending_kind, topic.last, self._metrics
        if kind is None or message is None:
            return
        topic.pending_kind = None
        topic.delivered += 1
        held, sent = metrics.messages_held, 0
        if alone:
            for watcher in topic.joined:
                sent += watcher.deliver_now(message, kind)
            metrics.messages_sent += sent
            if self._debug:
                _log_forwarded(topic.joined, topic)
        else:
            _deliver_to_all(topic.joined, message, kind, topic)
        metrics.note_delivery(message.timestamp, len(topic.joined) - metrics.messages_held + held, topic.recorded_trace)

    def _catch_up(self, topic: Topic, newest: Message, steps: list[Message]) -> None:
        """Sends those who have joined what the record holds beyond what they were sent."""
        last = topic.last
        if not topic.joined or newest.is_same_as(last):
            return
        # If the record went back, nobody knows which of its steps were sent: all of them are sent.
        position = last if newest.is_newer_than(last) else None
        missed = [step for step in steps if step.is_newer_than(position)]
        messages = _with_newest(newest, missed)
        topic.delivered += len(messages)
        self._deliver_each(topic.joined, messages, last, topic)

    def _deliver_each(
        self, watchers: Collection[Watcher], messages: Iterable[Message], previous: Message | None, topic: Topic
    ) -> None:
        for message in messages:
            _deliver_to_all(watchers, message, message.kind_after(previous), topic)
            previous = message

    def _add_tickets(self, topic: Topic, message: Message, raw: bytes) -> None:
        assert self._link_tickets is not None
        payload, topic.tickets = self._link_tickets.add_to(raw, topic.job_id, topic.tickets)
        if payload is not raw:
            message.replace_payload(payload)

    def _receive_foreign(self, topic: Topic, raw: bytes) -> None:
        message = ForeignMessage(frames.text_or_binary_frame(raw))
        self._deliver_pending_of(topic, alone=False)
        topic.delivered += 1
        _deliver_to_all(topic.joined, message, MessageKind.FOREIGN, topic)
        for read in topic.reads:
            read.early.append(message)

    def _end_watchers(self, topic: Topic, watchers: Iterable[Watcher], code: CloseCode) -> None:
        ended = tuple(watchers)
        topic.joined.clear()
        self._trace_ends(topic, ended, "ended" if code is CloseCode.ENDED else "refused")
        for watcher in ended:
            watcher.end(code)
        self._drop_if_idle(topic)

    def _note_trace(self, topic: Topic, state: bytes) -> None:
        topic.traceparent = find_traceparent(state)
        if self._traces is not None and is_recorded(topic.traceparent):
            topic.recorded_trace = trace_id(topic.traceparent)

    def _trace_begin(self, topic: Topic, watcher: Watcher, sent: int) -> None:
        """sent: how many messages the watcher was sent before it joined the others."""
        if self._traces is not None:
            resumed = watcher.after is not None
            self._traces.begin(watcher, topic.job_id, topic.traceparent, topic.delivered - sent, resumed=resumed)

    def _trace_ends(self, topic: Topic, watchers: Iterable[Watcher], outcome: str) -> None:
        if self._traces is not None:
            for watcher in watchers:
                self._traces.end(watcher, topic.delivered, outcome)

    def _schedule_read(self, topic: Topic) -> None:
        self._topics_to_read[topic] = None
        self._on_commands()

    def _drop_if_idle(self, topic: Topic) -> None:
        if not topic.is_idle() or self._topics.get(topic.job_id.encode()) is not topic:
            return
        del self._topics[topic.job_id.encode()]
        self._topics_to_read.pop(topic, None)
        self._unverified.discard(topic)
        if topic.subscribed:
            self._to_unsubscribe[topic.job_id] = None
            self._on_commands()


def _take_strangers(watchers: list[Watcher], owner: str) -> list[Watcher]:
    """Removes the watchers for whom jobs of that owner don't exist, and returns them."""
    everybody = watchers.copy()
    strangers: list[Watcher] = []
    watchers.clear()
    for watcher in everybody:
        (watchers if watcher.owner in {None, owner} else strangers).append(watcher)
    return strangers


def _with_newest(newest: Message, steps: list[Message]) -> list[Message]:
    """The steps, and the newest state unless it is the last of them. Never empty."""
    return steps if steps and not newest.is_newer_than(steps[-1]) else [*steps, newest]


def _deliver_to_all(watchers: Iterable[Watcher], message: OutgoingMessage, kind: MessageKind, topic: Topic) -> None:
    for watcher in watchers:
        watcher.deliver(message, kind)
    if _log.isEnabledFor(logging.DEBUG):
        _log_forwarded(watchers, topic)


def _log_forwarded(watchers: Iterable[Watcher], topic: Topic) -> None:
    fields = {"job_id": topic.job_id, "trace_id": trace_id(topic.traceparent)}
    for _ in watchers:
        _log.debug("forwarded to socket", extra=fields)
