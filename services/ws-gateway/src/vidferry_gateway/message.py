"""What the gateway reads of a message: enough to order it, to know whether it may be skipped, and to see the end."""

from dataclasses import dataclass
from enum import Enum, auto

import orjson

from vidferry_common.contract.messages import Cursor
from vidferry_common.contract.stages import Status
from vidferry_gateway import frames

_ENDS = frozenset(status.value for status in Status if status.terminal)


class Kind(Enum):
    """What a slow client's socket may do with a message."""

    PROGRESS = auto()
    """a newer state replaces it"""
    STEP = auto()
    """must arrive; it replaces older progress"""
    FOREIGN = auto()
    """from another publisher: must arrive, says nothing about the state"""


@dataclass(slots=True)
class Message:
    """A status message of Vidferry's own scripts."""

    frame: bytes
    """the message as it goes to every WebSocket"""
    cursor: Cursor
    stage: str
    step: bool
    terminal: bool
    timestamp: str
    """RFC 3339, by the worker's clock, unless another publisher wrote something else"""
    _event: bytes = b""

    @property
    def event(self) -> bytes:
        """The message as it goes to every event stream."""
        if not self._event:
            self._event = frames.event(frames.payload(self.frame), str(self.cursor))
        return self._event

    def after(self, cursor: Cursor | None) -> bool:
        """Whether a client at that cursor has yet to see this; a cursor of another record says nothing."""
        return cursor is None or cursor.epoch != self.cursor.epoch or cursor.seq < self.cursor.seq

    def kind(self, previous: "Message | None") -> Kind:
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
        return frames.event(frames.payload(self.frame))


Outgoing = Message | Foreign


def read(raw: bytes) -> Message | None:
    """None where raw is no status message with cursor and seq: some other publisher's."""
    try:
        document = orjson.loads(raw)
        data = document["data"]
        cursor = Cursor.parse(document["cursor"])
        seq, stage, status = data["seq"], data["stage"], data["status"]
        if document["type"] != "status" or cursor is None or cursor.seq != seq:
            return None
        step = document.get("step") is True
        return Message(frames.text(raw), cursor, stage, step, status in _ENDS, data.get("timestamp"))
    except (ValueError, LookupError, TypeError):
        return None
