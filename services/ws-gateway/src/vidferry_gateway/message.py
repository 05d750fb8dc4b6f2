"""Messages as the gateway parses them: their order, whether they may be skipped, and whether they are the last."""

from dataclasses import dataclass
from enum import Enum, auto

import orjson

from vidferry_common.contract.messages import ENVELOPE, Cursor
from vidferry_common.contract.stages import Status
from vidferry_gateway import frames

_TERMINAL = frozenset(status.value.encode() for status in Status if status.terminal)


class MessageKind(Enum):
    """The kind of a message, which decides whether a slow client must receive it."""

    PROGRESS = auto()
    """may be skipped: a newer state replaces it"""
    STEP = auto()
    """must arrive; it replaces older progress"""
    FOREIGN = auto()
    """from another publisher: must arrive, tells nothing of the job's state"""


class Message:
    """A status message, as Vidferry's own scripts publish it."""

    __slots__ = ("_event", "epoch", "frame", "received", "seq", "stage", "step", "terminal", "timestamp")

    def __init__(
        self, frame: bytes, epoch: bytes, seq: int, stage: bytes, timestamp: bytes, step: bool, terminal: bool
    ) -> None:
        self.frame = frame
        """the WebSocket frame, the same for every client"""
        self.received = frame
        """the frame before tickets were added to its links; the same object where none were"""
        self.epoch, self.seq = epoch, seq
        """its cursor"""
        self.stage, self.step, self.terminal = stage, step, terminal
        self.timestamp = timestamp
        """RFC 3339, by the worker's clock, unless another publisher wrote something else"""
        self._event = b""

    @property
    def event(self) -> bytes:
        """The Server-Sent Event, the same for every client; built on first use."""
        if not self._event:
            self._event = frames.sse_event(frames.frame_payload(self.frame), f"{self.epoch.decode()}-{self.seq}")
        return self._event

    def is_after(self, cursor: Cursor | None) -> bool:
        """Whether a client with that cursor has not seen this yet. A cursor of another epoch counts as none."""
        return cursor is None or cursor.seq < self.seq or cursor.epoch.encode() != self.epoch

    def is_newer_than(self, previous: "Message | None") -> bool:
        """Whether it comes after the previous message, or has another epoch."""
        return previous is None or previous.seq < self.seq or previous.epoch != self.epoch

    def is_same_as(self, other: "Message | None") -> bool:
        """Compares the content as it was received: after a failover a different message may have the same cursor."""
        return other is not None and self.received == other.received

    def replace_payload(self, payload: bytes) -> None:
        """Sets what clients are sent, where that differs from what was received."""
        self.frame = frames.text_frame(payload)

    def kind_after(self, previous: "Message | None") -> MessageKind:
        """STEP if the publisher marked it so, if it is the last, or if the stage differs from the previous one's."""
        if self.step or self.terminal or previous is None or previous.stage != self.stage:
            return MessageKind.STEP
        return MessageKind.PROGRESS


@dataclass(slots=True)
class ForeignMessage:
    """A message from another publisher, passed on unchanged."""

    frame: bytes

    @property
    def event(self) -> bytes:
        return frames.sse_event(frames.frame_payload(self.frame))


OutgoingMessage = Message | ForeignMessage


def parse_message(raw: bytes) -> Message | None:
    """Parses a status message; None if raw is not one, so that it comes from another publisher."""
    match = ENVELOPE.match(raw)
    if match is None or not _is_utf8(raw):
        return _parse_document(raw)
    step, epoch, seq, same_seq, status, stage, timestamp = match.groups()
    if seq != same_seq:
        return None
    return Message(
        frames.text_frame(raw), epoch, int(seq), stage, timestamp, step is not None, status in _TERMINAL
    )  # fmt: skip


def _is_utf8(raw: bytes) -> bool:
    """Clients fail the connection on a text frame that is not UTF-8."""
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse_document(raw: bytes) -> Message | None:
    """Parses the whole JSON document: another release may write its fields in another order."""
    try:
        document = orjson.loads(raw)
        data = document["data"]
        cursor = Cursor.parse(document["cursor"])
        seq, stage, status = data["seq"], str(data["stage"]), data["status"]
        if document["type"] != "status" or cursor is None or cursor.seq != seq:
            return None
        step, terminal = document.get("step") is True, status.encode() in _TERMINAL
        timestamp = str(data.get("timestamp"))
        return Message(
            frames.text_frame(raw), cursor.epoch.encode(), seq, stage.encode(), timestamp.encode(), step, terminal
        )  # fmt: skip
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
