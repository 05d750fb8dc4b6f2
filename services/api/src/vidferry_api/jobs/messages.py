"""The JSON Schema of the messages on WebSockets and event streams.

It is made from the model of a job's document and from the contract, so that it can't tell anything else.
"""

from copy import deepcopy
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from vidferry_api.jobs.schemas import Job
from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.field_types import Uuid
from vidferry_common.contract.messages import VERSION, queued_update
from vidferry_common.contract.subscriptions import SubscriptionError

MEDIA_TYPE = "application/schema+json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_CURSOR = r"^[0-9a-f]{8}-\d{1,15}$"
_ALWAYS = ["job_id", "seq", *orjson.loads(b"{" + queued_update().body() + b"}")]
"""the fields of every message's data, also of progress between two steps"""
_ONLY_IN_GET = {"history"}
"""fields of a job's document that no message has"""


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")


class StatusMessage(_Message):
    """A state of a job: a step, or progress between two steps."""

    v: Literal[1] = Field(description="The version of the messages.", examples=[VERSION])
    type: Literal["status"]
    step: Literal[True] = Field(True, description="There if the message is a step: a change of stage.")
    cursor: str = Field(description="The message's place in the job, with which a client resumes.", pattern=_CURSOR)
    traceparent: str = Field(description="The job's W3C trace context.")
    data: Job = Field(
        description="The job. Progress between two steps has the fields that may have changed since the last step."
    )


class UnsubscribedMessage(_Message):
    """Nothing more of that job follows on this socket."""

    type: Literal["unsubscribed"]
    job_id: Uuid


class ErrorMessage(_Message):
    """An answer to a message of the client. The socket stays open."""

    type: Literal["error"]
    job_id: str | None = Field(description="The job that it is about, as the client named it.")
    code: SubscriptionError
    message: str = Field(description="A sentence for a person.")


class PingMessage(_Message):
    """A ping that a page can see. Sent where the socket's URL has `pings=1`."""

    type: Literal["ping"]


class SubscribeMessage(_Message):
    """Sent by a client on `/ws/downloads`: watch these jobs."""

    type: Literal["subscribe"]
    jobs: dict[str, str | None] = Field(description="By the job's id, the cursor to resume from, or null.")
    tickets: dict[str, str] = Field(
        default={}, description="By the job's id, the ticket in its `ws_url`, where access isn't open."
    )


class UnsubscribeMessage(_Message):
    """Sent by a client on `/ws/downloads`: stop watching these jobs."""

    type: Literal["unsubscribe"]
    jobs: list[str] = Field(description="The jobs' ids.")


class CloseEvent(_Message):
    """The data of an event stream's last event, `close`."""

    code: CloseCode = Field(description="The code with which a WebSocket would be closed.")


RECEIVED = (StatusMessage, UnsubscribedMessage, ErrorMessage, PingMessage)
SENT = (SubscribeMessage, UnsubscribeMessage)


def messages_schema() -> dict[str, Any]:
    """The schema. It validates what a client receives; `$defs` has what a client sends, and the `close` event."""
    models = [(model, "serialization") for model in (*RECEIVED, *SENT, CloseEvent)]
    _, schema = models_json_schema(models, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    definitions = deepcopy(schema["$defs"])
    del definitions["Format"]["additionalProperties"]  # a later release may add fields
    state = definitions["Job"]
    state["required"] = list(_ALWAYS)
    state["description"] = "The state of a job. Unknown values are null."
    for name in _ONLY_IN_GET & state["properties"].keys():
        del state["properties"][name]
    return {
        "$schema": _DIALECT,
        "$id": "urn:vidferry:schema:messages:1",
        "title": "Messages of Vidferry's WebSockets and event streams",
        "description": "A text message on a WebSocket, or the data of a `message` event on an event stream.",
        "anyOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in RECEIVED],
        "$defs": definitions,
    }
