"""The request and response bodies of jobs."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vidferry_api.jobs.labels import CredentialName, ExternalId, Metadata, credential_field
from vidferry_api.jobs.webhook import WebhookRequest
from vidferry_common.contract.batches import BatchState, Parent
from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.field_types import DateTime, Double, Int32, Int64, Uri, Uuid
from vidferry_common.contract.formats import Format
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.probes import Probe
from vidferry_common.contract.result import Result
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.urls import MAX_LENGTH, canonical_url

_ID = "3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a"
HTTP_URL: dict[str, Any] = {"pattern": r"^\s*[Hh][Tt][Tt][Pp][Ss]?://", "maxLength": MAX_LENGTH}
"""what the OpenAPI document says of a URL in a request"""
_TIME = "2026-01-31T09:30:00.125Z"


def allow_nulls(schema: dict[str, Any]) -> None:
    """Describes that the optional fields of a request may be null, which counts as left out."""
    for name, field in schema["properties"].items():
        if name not in schema.get("required", ()):
            outer = {key: field.pop(key) for key in ("description", "default", "examples") if key in field}
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}], **outer}


class RequestedFormat(Format):
    """The format to fetch. A field that is `null` counts as left out."""

    model_config = ConfigDict(json_schema_extra=allow_nulls)


class JobRequestBody(BaseModel):
    """What the bodies of all requests for a job share. An optional field that is `null` counts as left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=allow_nulls)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, body: Any) -> Any:
        """Drops optional fields that are null: many clients write out every field."""
        if not isinstance(body, dict):
            return body
        if isinstance(body.get("format"), dict):
            body = {**body, "format": without_nulls(Format, body["format"])}
        return without_nulls(cls, body)


class DownloadRequest(JobRequestBody):
    """A video to fetch. An optional field that is `null` counts as left out."""

    url: Annotated[str, AfterValidator(canonical_url)] = Field(
        description="The URL of a page with a video, of an HLS or DASH playlist, or of a file. http or https, at most "
        "2048 characters, without user name and password. If a page has several videos, the first one is fetched.",
        examples=["https://example.org/video"],
        json_schema_extra=HTTP_URL,
    )
    format: RequestedFormat = Field(
        default_factory=RequestedFormat, description="The format to fetch; by default one that plays everywhere."
    )
    priority: Priority = Field(
        default=Priority.INTERACTIVE,
        description="`interactive`: a person is waiting. `bulk`: nobody is, so interactive downloads of the last hours "
        "go first.",
    )
    force: bool = Field(
        default=False,
        strict=True,
        description="Fetch the video again even if it is in the bucket, and replace the stored one.",
    )

    external_id: ExternalId | None = Field(
        default=None,
        description="Your own id for the job, which `GET /api/jobs` finds it by. 1 to 255 visible characters. Several "
        "jobs can have the same one.",
        examples=["order-4711"],
    )
    metadata: Metadata | None = Field(
        default=None,
        description="A JSON object that Vidferry keeps with the job and returns with it. At most 2 KiB when written "
        "without spaces.",
        examples=[{"course": "physics", "lesson": 7}],
    )
    webhook: WebhookRequest | None = Field(
        default=None, description="Where events of the job are sent, signed by the Standard Webhooks scheme."
    )
    credential: CredentialName | None = credential_field("the video is fetched")


def without_nulls(model: type[BaseModel], fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without those that are null and not required by the model."""
    model_fields = model.model_fields
    return {
        name: value
        for name, value in fields.items()
        if value is not None or name not in model_fields or model_fields[name].is_required()
    }


class Job(BaseModel):
    """A job in its current state. Sizes are in bytes, speed in bytes per second, times in seconds. Unknown values are
    null.
    """

    job_id: Uuid = Field(description="The job's id.", examples=[_ID])
    kind: JobKind = Field(description="What the job does.")
    url: str | None = Field(
        description="The URL of the request, in its canonical form; of a batch, the URL of its playlist, or null where "
        "it has many URLs. Of a batch's job that failed with `invalid_url`, the text in place of a URL.",
        examples=["https://example.org/video"],
    )
    format: Format = Field(description="The format of the request.")
    priority: Priority = Field(description="The priority of the request.")
    force: bool = Field(description="Whether the request asked to fetch the video again.")
    retry_of: Uuid | None = Field(description="The job that this one is a retry of.")
    created_at: DateTime = Field(description="When the job was created, RFC 3339.", examples=[_TIME])
    external_id: str | None = Field(description="The caller's own id for the job.", examples=["order-4711"])
    metadata: dict[str, Any] | None = Field(description="What the caller keeps with the job.")
    parent: Parent | None = Field(description="The batch that made the job; null for any other job.")
    batch: BatchState | None = Field(description="What a batch tells of its jobs; null for jobs of other kinds.")
    status_url: Uri = Field(
        description="The absolute URL of the job.", examples=[f"https://media.example.org/api/jobs/{_ID}"]
    )
    ws_url: Uri = Field(
        description="The absolute URL of the WebSocket that sends every step of the job.",
        examples=[f"wss://media.example.org/ws/download/{_ID}"],
    )
    events_url: Uri = Field(
        description="The absolute URL of the same messages as Server-Sent Events.",
        examples=[f"https://media.example.org/sse/download/{_ID}"],
    )
    expires_at: DateTime | None = Field(
        description="When the job's record will be deleted at the latest, RFC 3339; null while the job has not ended."
    )
    cursor: str = Field(
        description="Where a watcher can resume: the query parameter `after` of `ws_url`, or Last-Event-ID for "
        "`events_url`. Opaque.",
        examples=["9f2c41d7-12"],
    )
    status: Status = Field(description="The status. After `completed`, `failed` and `cancelled` nothing changes.")
    stage: Stage = Field(description="What the job is doing now.")
    progress: Double = Field(description="Per cent of the whole job.", examples=[42.5])
    message: str = Field(description="A sentence for a person.", examples=["Downloading video"])
    seq: Int64 = Field(description="Increases with every message of the job.", examples=[12])
    attempt: Int32 = Field(description="The number of the attempt, from 1 on; 0 before the first one.")
    timestamp: DateTime = Field(description="When this state began, RFC 3339.", examples=[_TIME])
    downloaded_bytes: Int64 | None = Field(description="Bytes downloaded so far.", examples=[1048576])
    total_bytes: Int64 | None = Field(description="Bytes of the whole download.", examples=[8388608])
    speed: Double | None = Field(description="Bytes per second.", examples=[524288.0])
    eta: Double | None = Field(description="Seconds to the end of the stage.", examples=[14.0])
    title: str | None = Field(description="The video's title.", examples=["A walk in the park"])
    thumbnail: Uri | None = Field(description="The video's thumbnail, stored by Vidferry.")
    retries: Int32 = Field(description="How often Vidferry has retried it after a failure.")
    max_retries: Int32 | None = Field(None, description="The maximum of `retries`; null before the first attempt.")
    retry_at: DateTime | None = Field(description="When the next try begins, RFC 3339.")
    pause_code: ErrorCode | None = Field(
        None,
        description="Why the site pauses, for a job that waits for that to end: it goes on after `retry_at`, in its "
        "turn. Left out else.",
    )
    probe: Probe | None = Field(description="What a probe has found; null until it has, and for jobs of other kinds.")
    result: Result | None = Field(None, description="The result of a completed job.")
    error: Failure | None = Field(None, description="Why the job failed.")


class HistoryEntry(BaseModel):
    """A step of a job: a change of its stage."""

    stage: Stage = Field(description="What the job began to do.")
    status: Status = Field(description="The status from then on.")
    progress: Double = Field(description="Per cent of the whole job.", examples=[42.5])
    message: str = Field(description="A sentence for a person.", examples=["Downloading video"])
    attempt: Int32 = Field(description="The number of the attempt.")
    timestamp: DateTime = Field(description="When the step began, RFC 3339.", examples=[_TIME])


class JobWithHistory(Job):
    """A job in its current state, and the steps that led there."""

    history: list[HistoryEntry] = Field(
        description="The job's steps, the oldest first. Kept for five minutes after the job's end, then empty."
    )
