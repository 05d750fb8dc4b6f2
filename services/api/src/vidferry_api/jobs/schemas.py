"""The request and response bodies of jobs."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vidferry_api.jobs.url import canonical_url
from vidferry_common.contract.errors import Failure
from vidferry_common.contract.field_types import DateTime, Double, Int32, Int64, Uri, Uuid
from vidferry_common.contract.formats import Format
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.result import Result
from vidferry_common.contract.stages import Stage, Status

_ID = "3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a"


class DownloadRequest(BaseModel):
    """A video to fetch. An optional field that is `null` counts as left out."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, AfterValidator(canonical_url)] = Field(
        description="The URL of a page with a video, of an HLS or DASH playlist, or of a file. http or https, at most "
        "2048 characters, without user name and password. If a page has several videos, the first one is fetched.",
        examples=["https://example.org/video"],
    )
    format: Format = Field(
        default_factory=Format, description="The format to fetch; by default one that plays everywhere."
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

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, body: Any) -> Any:
        """Drops optional fields that are null: many clients write out every field."""
        if not isinstance(body, dict):
            return body
        if isinstance(body.get("format"), dict):
            body = {**body, "format": _without_nulls(Format, body["format"])}
        return _without_nulls(cls, body)


def _without_nulls(model: type[BaseModel], fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without those that are null and not required by the model."""
    model_fields = model.model_fields
    return {
        name: value
        for name, value in fields.items()
        if value is not None or name not in model_fields or model_fields[name].is_required()
    }


class Accepted(BaseModel):
    """The job that was created."""

    job_id: Uuid = Field(examples=[_ID])
    status: Status = Field(
        description="`queued`, or another status if the job was attached to a running download, or created by an "
        "earlier request.",
        examples=[Status.QUEUED],
    )
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


class Job(BaseModel):
    """A job in its current state. Sizes are in bytes, speed in bytes per second, times in seconds. Unknown values are
    null.
    """

    job_id: Uuid
    url: Uri
    format: Format
    priority: Priority
    force: bool
    retry_of: Uuid | None = Field(description="The job that this one is a retry of.")
    created_at: DateTime = Field(description="RFC 3339")
    ws_url: Uri
    events_url: Uri
    cursor: str = Field(
        description="Where a watcher can resume: the query parameter `after` of `ws_url`, or Last-Event-ID for "
        "`events_url`."
    )
    status: Status
    stage: Stage
    progress: Double = Field(description="per cent")
    message: str
    seq: Int64 = Field(description="Increases with every message of the job.")
    attempt: Int32
    timestamp: DateTime = Field(description="RFC 3339")
    downloaded_bytes: Int64 | None
    total_bytes: Int64 | None
    speed: Double | None
    eta: Double | None = Field(description="Seconds to the end of the stage.")
    title: str | None
    thumbnail: Uri | None = Field(description="The video's thumbnail, stored by Vidferry.")
    retries: Int32 = Field(description="How often Vidferry has retried it after a failure.")
    max_retries: Int32 | None = Field(None, description="The maximum of `retries`; null before the first attempt.")
    retry_at: DateTime | None = Field(description="When the next try begins, RFC 3339.")
    result: Result | None = None
    error: Failure | None = None
