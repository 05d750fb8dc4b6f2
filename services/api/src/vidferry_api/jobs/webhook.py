"""What a request for a job says of a webhook, and where the job's events go."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.webhooks import EventType, Webhook, parse_events
from vidferry_common.urls import MAX_LENGTH, canonical_url

WebhookUrl = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH), AfterValidator(canonical_url)]


class WebhookRequest(BaseModel):
    """Where the job's events are sent. A field that is `null` counts as left out."""

    model_config = ConfigDict(extra="forbid")

    url: WebhookUrl | None = Field(
        default=None,
        description="The https URL that the events are sent to. By default that of the owner's webhooks.",
        examples=["https://hooks.example.org/vidferry"],
    )
    events: list[EventType] | None = Field(
        default=None,
        max_length=len(EventType),
        description="The events to send, by default all; `[]` for none.",
        examples=[["job.completed", "job.failed"]],
    )

    def request_fields(self) -> dict[str, Any]:
        """What the job's record keeps of it, in one form for equal requests."""
        events = {} if self.events is None else {"events": parse_events(self.events)}
        return {**({} if self.url is None else {"url": self.url}), **events}


def choose_webhook(requested: dict[str, Any] | None, owner: str, services: Services) -> Webhook | None:
    """Where the events of a new job go, by its request or as the owner's usually do; None without a webhook.

    Raises Problem if they can't be sent.
    """
    usual = services.authenticator.webhook_of(owner)
    if requested is None:
        return Webhook(usual.url, usual.events) if usual and usual.url else None
    if requested.get("events") in ((), []):  # turned off; a record has a list
        return None
    if usual is None:
        raise Problem(
            ProblemCode.WEBHOOK_UNAVAILABLE,
            "Ask the operator to add a secret for your webhooks, or send the request without `webhook`.",
        )
    url = requested.get("url", usual.url)
    if not url:
        raise _wrong_url("this field is required, since there is no URL for all your jobs")
    if not url.startswith("https://") and not services.settings.webhook_http:
        raise _wrong_url("the URL must begin with https://")
    return Webhook(url, parse_events(requested.get("events", usual.events)))


def _wrong_url(message: str) -> Problem:
    errors = [{"field": "webhook.url", "message": message}]
    return Problem(ProblemCode.INVALID_REQUEST, f"webhook.url: {message}.", errors=errors)
