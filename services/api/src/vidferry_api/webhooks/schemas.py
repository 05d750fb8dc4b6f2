"""The response bodies of deliveries."""

from typing import Literal

from pydantic import BaseModel, Field

from vidferry_common.contract.field_types import DateTime, Double, Int32, Uri
from vidferry_common.contract.webhooks import EventType

_TIME = "2026-01-31T09:30:00.125Z"


class DeliveryAttempt(BaseModel):
    """One try to deliver an event."""

    at: DateTime = Field(description="When it began, RFC 3339.", examples=[_TIME])
    duration: Double = Field(description="Seconds that it took.", examples=[0.125])
    status: Int32 | None = Field(description="The receiver's HTTP status; null if it gave no answer.", examples=[204])
    error: str | None = Field(
        description="Why it gave no answer, for programs: `timeout`, `connection`, `tls`, `forbidden_address`, "
        "`invalid_answer`, `invalid_url` or `no_secret`; null if it gave one."
    )


class JobEvent(BaseModel):
    """An event of a job, and what became of it."""

    event_id: str = Field(
        description="The event's id, which is the header `webhook-id` of each try.",
        examples=["evt_3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a_7"],
    )
    type: EventType = Field(description="What it tells.")
    created_at: DateTime = Field(description="When it was made, RFC 3339.", examples=[_TIME])
    status: Literal["pending", "delivered", "failed", "disabled"] = Field(
        description="`pending`: it waits to be sent, or to be sent again. `delivered`: the receiver accepted it. "
        "`failed`: the receiver did not accept it for a day. `disabled`: the receiver wants no more events at its URL."
    )
    attempt_count: Int32 = Field(description="How often it was sent.")
    next_attempt_at: DateTime | None = Field(description="When it is sent again, RFC 3339; null unless it will be.")
    attempts: list[DeliveryAttempt] = Field(description="The last tries, at most ten, the oldest first.")


class JobWebhook(BaseModel):
    """Where the events of a job go."""

    url: Uri = Field(
        description="The receiver's URL. Values in its query are shown as `***`, since they may be secrets.",
        examples=["https://hooks.example.org/vidferry?key=***"],
    )
    events: list[EventType] = Field(description="The events that are sent.")
    disabled_until: DateTime | None = Field(
        description="The receiver has answered 410, so until then this owner's events for this URL are not sent, RFC "
        "3339. Send an event again to enable the URL before; null if it is enabled."
    )


class Deliveries(BaseModel):
    """The webhook of a job, and its events."""

    webhook: JobWebhook | None = Field(description="Where the events go; null if the job has no webhook.")
    events: list[JobEvent] = Field(description="The job's events, the oldest first.")
