"""Webhooks: which events of a job are sent to a receiver, and what their secrets look like (Standard Webhooks)."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from vidferry_common.contract.identity import digest
from vidferry_common.contract.kinds import JobKind

MAX_SECRETS = 2
"""of one owner: the new one and the old one, while they are rotated"""
SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of every secret
_SECRET = re.compile(SECRET_PREFIX + r"[A-Za-z0-9+/]{32,88}={0,2}")
_EVENT_ID = re.compile(r"evt_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_([1-9][0-9]{0,14})")


class EventType(StrEnum):
    """What a webhook tells."""

    JOB_STARTED = "job.started"
    """its first attempt has begun"""
    JOB_INFO = "job.info"
    """its video is known"""
    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    BATCH_COMPLETED = "batch.completed"
    """all jobs of a batch have ended, or the batch was cancelled"""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a job's events go, and which of them."""

    url: str
    events: tuple[EventType, ...]

    def record_field(self, kind: JobKind, owner: str, domain: str) -> str:
        """What a job's record keeps of it, for the scripts: `types receiver endpoint url`; empty if no event goes out.

        domain: the one that the URL's host belongs to. A receiver is one owner's: an owner whose receiver answers
        slowly delays nobody else's events for the same domain.
        """
        wanted = [event for event in self.events if (event is EventType.BATCH_COMPLETED) == (kind is JobKind.BATCH)]
        if not wanted:
            return ""
        receiver, endpoint = (digest("webhook", owner, text)[:24] for text in (domain, self.url))
        return f"{','.join(wanted)} {receiver} {endpoint} {self.url}"

    @classmethod
    def parse_record_field(cls, text: str) -> "Webhook":
        """The webhook of a job's record."""
        events, _, _, url = text.split(" ", 3)
        return cls(url, tuple(map(EventType, events.split(","))))


def parse_events(words: Iterable[object]) -> tuple[EventType, ...]:
    """The events of these names, each once. Raises ValueError, with a sentence, if one is unknown."""
    found = set(words)
    if not found <= set(EventType):
        raise ValueError(f"must name events. These are {', '.join(EventType)}")
    return tuple(event for event in EventType if event in found)


def check_secret(text: object) -> str:
    """The secret. Raises ValueError, with a sentence that does not repeat it, if it is none."""
    try:
        if isinstance(text, str) and _SECRET.fullmatch(text):
            size = len(base64.b64decode(text.removeprefix(SECRET_PREFIX) + "=="))
            if 24 <= size <= 64:  # noqa: PLR2004 - as Standard Webhooks asks for
                return text
    except binascii.Error:
        pass
    raise ValueError("must be whsec_ and the base64 of 24 to 64 random bytes")


def event_id(job_id: str, seq: int) -> str:
    """The id of an event, the same whenever it is sent: of the message that the event came with."""
    return f"evt_{job_id}_{seq}"


def parse_event_id(text: str) -> tuple[str, int] | None:
    """The job and the number of the message; None where text is no event's id."""
    found = _EVENT_ID.fullmatch(text)
    return (found[1], int(found[2])) if found else None
