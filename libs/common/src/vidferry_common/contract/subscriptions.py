"""What is said on a WebSocket beside the jobs' own messages. On one for many jobs,
`/ws/downloads`, a client says, in a text message each:

    {"type": "subscribe", "jobs": {"<job id>": "<cursor>" | null, …}, "tickets": {"<job id>": "<ticket>" | null, …}}
    {"type": "unsubscribe", "jobs": ["<job id>", …]}

(`tickets` only where access isn't open, and not for jobs of the owner whose ticket the socket's URL carries), and is
told, beside the status messages:

    {"type": "unsubscribed", "job_id": "…"}                     nothing more of that job follows
    {"type": "error", "job_id": "…" | null, "code": "…", "message": "…"}

Whoever asked for it (`?pings=1`) is told with each ping

    {"type": "ping"}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from vidferry_common.contract.messages import Cursor

PING = orjson.dumps({"type": "ping"})


class SubscriptionError(StrEnum):
    """The code of an error message; the socket stays open."""

    INVALID_MESSAGE = "invalid_message"
    JOB_NOT_FOUND = "job_not_found"
    TOO_MANY_JOBS = "too_many_jobs"
    TICKET_INVALID = "ticket_invalid"
    TICKET_EXPIRED = "ticket_expired"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    def to_message(self, job_id: str | None = None) -> bytes:
        return orjson.dumps({"type": "error", "job_id": job_id, "code": self.value, "message": self.sentence})


_SENTENCES = {
    SubscriptionError.INVALID_MESSAGE: "Send a subscribe or an unsubscribe message.",
    SubscriptionError.JOB_NOT_FOUND: "No job has this id. Check the id.",
    SubscriptionError.TOO_MANY_JOBS: "This WebSocket has reached its limit of jobs. Unsubscribe from some first.",
    SubscriptionError.TICKET_INVALID: "The job's ticket is missing or not valid. Take it from the job's ws_url.",
    SubscriptionError.TICKET_EXPIRED: "The ticket has expired. Read the job again, or get a new ticket, and subscribe.",
}


def unsubscribed_message(job_id: str) -> bytes:
    return orjson.dumps({"type": "unsubscribed", "job_id": job_id})


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A client asks for the messages of jobs, of each from its cursor on if it has one."""

    jobs: Mapping[str, Cursor | None]
    tickets: Mapping[str, str] = field(default_factory=dict)
    """by job id; not checked"""


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """A client asks for no more messages of jobs. It is no error where it has not subscribed to one."""

    jobs: tuple[str, ...]


def parse(text: str) -> Subscribe | Unsubscribe | None:
    """The client's message; None where it is neither. Job ids are not checked, and an invalid cursor counts as none."""
    try:
        match orjson.loads(text):
            case {"type": "subscribe", "jobs": dict(jobs), **rest} if _are_texts(jobs, rest.get("tickets") or {}):
                tickets: Any = rest.get("tickets") or {}
                cursors = {job_id.lower(): Cursor.parse(cursor or "") for job_id, cursor in jobs.items()}
                return Subscribe(cursors, {job_id.lower(): ticket for job_id, ticket in tickets.items() if ticket})
            case {"type": "unsubscribe", "jobs": list(jobs)} if all(isinstance(job_id, str) for job_id in jobs):
                return Unsubscribe(tuple(job_id.lower() for job_id in jobs))
            case _:
                return None
    except ValueError:
        return None


def _are_texts(*objects: Any) -> bool:
    """Whether they are objects whose members are texts or null."""
    return all(
        isinstance(each, dict) and all(isinstance(value, str | None) for value in each.values()) for each in objects
    )
