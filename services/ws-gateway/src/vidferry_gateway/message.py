"""What the gateway reads of a message: enough to order it, to know whether it may be skipped, and to see the end."""

from dataclasses import dataclass
from enum import Enum, auto

import orjson

from vidferry_common.contract.messages import ENVELOPE, Cursor
from vidferry_common.contract.stages import Status
from vidferry_gateway import frames

_ENDS = frozenset(status.value.encode() for status in Status if status.terminal)


class Kind(Enum):
    """What may happen to a message whose client is slow."""

    PROGRESS = auto()
    """a newer state replaces it"""
    STEP = auto()
    """must arrive; it replaces older progress"""
    FOREIGN = auto()
    """from another publisher: must arrive, says nothing about the state"""


class Message:
    """A status message of Vidferry's own scripts."""

    __slots__ = ("_event", "epoch", "frame", "seq", "stage", "step", "terminal", "timestamp")

    def __init__(
        self, frame: bytes, epoch: bytes, seq: int, stage: bytes, timestamp: bytes, step: bool, terminal: bool
    ) -> None:
        self.frame = frame
        """the message as it goes to every WebSocket"""
        self.epoch, self.seq = epoch, seq
        """its cursor"""
        self.stage, self.step, self.terminal = stage, step, terminal
        self.timestamp = timestamp
        """RFC 3339, by the worker's clock, unless another publisher wrote something else"""
        self._event = b""

    @property
    def event(self) -> bytes:
        """The message as it goes to every event stream."""
        if not self._event:
            self._event = frames.event_of(frames.payload_of(self.frame), f"{self.epoch.decode()}-{self.seq}")
        return self._event

    def is_after(self, cursor: Cursor | None) -> bool:
        """Whether a client at that cursor has yet to see this; a cursor of another record says nothing."""
        return cursor is None or cursor.seq < self.seq or cursor.epoch.encode() != self.epoch

    def follows(self, other: "Message | None") -> bool:
        """As is_after, of a message."""
        return other is None or other.seq < self.seq or other.epoch != self.epoch

    def is_same_as(self, other: "Message | None") -> bool:
        """Whether it is the same message. After a failover another one may have the same cursor."""
        return other is not None and self.frame == other.frame

    def kind_after(self, previous: "Message | None") -> Kind:
        """STEP where the publisher says so, at the end, or in another stage than the message before it."""
        if self.step or self.terminal or previous is None or previous.stage != self.stage:
            return Kind.STEP
        return Kind.PROGRESS


@dataclass(slots=True)
class Foreign:
    """A message of some other publisher, unchanged."""

    frame: bytes

    @property
    def event(self) -> bytes:
        return frames.event_of(frames.payload_of(self.frame))


Outgoing = Message | Foreign


def parse_message(raw: bytes) -> Message | None:
    """None where raw is no status message with cursor and seq: some other publisher's."""
    match = ENVELOPE.match(raw)
    if match is None or not _is_utf8(raw):
        return _parse_document(raw)
    step, epoch, seq, same_seq, status, stage, timestamp = match.groups()
    if seq != same_seq:
        return None
    return Message(
        frames.text_frame(raw), epoch, int(seq), stage, timestamp, step is not None, status in _ENDS
    )  # fmt: skip


def _is_utf8(raw: bytes) -> bool:
    """Whether it is UTF-8: a client fails on a text frame that is not."""
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse_document(raw: bytes) -> Message | None:
    """The same facts, in whatever order another release writes them."""
    try:
        document = orjson.loads(raw)
        data = document["data"]
        cursor = Cursor.parse(document["cursor"])
        seq, stage, status = data["seq"], str(data["stage"]), data["status"]
        if document["type"] != "status" or cursor is None or cursor.seq != seq:
            return None
        ends, step, timestamp = status.encode() in _ENDS, document.get("step") is True, str(data.get("timestamp"))
        return Message(
            frames.text_frame(raw), cursor.epoch.encode(), seq, stage.encode(), timestamp.encode(), step, ends
        )  # fmt: skip
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
