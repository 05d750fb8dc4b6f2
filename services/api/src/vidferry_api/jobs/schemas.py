"""What goes in and out, as the OpenAPI document tells it."""

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
    """A video to fetch. `null` for what is optional counts as left out."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, AfterValidator(canonical_url)] = Field(
        description="The address of a page with a video, of a playlist (HLS, DASH), or of a file. http or https, "
        "at most 2048 characters, without user name and password. Of a page with several videos the first is taken.",
        examples=["https://example.org/video"],
    )
    format: Format = Field(default_factory=Format, description="What to fetch; by default what plays everywhere.")
    priority: Priority = Field(
        default=Priority.INTERACTIVE,
        description="`interactive`: a person waits. `bulk`: nobody does, so that those of the last hours for whom a "
        "person waits go first.",
    )
    force: bool = Field(
        default=False,
        strict=True,
        description="Fetch the video anew, also where it is in the bucket, and replace what is there.",
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, body: Any) -> Any:
        """Many clients write out all fields of theirs, and null where they have nothing to say."""
        if not isinstance(body, dict):
            return body
        if isinstance(body.get("format"), dict):
            body = {**body, "format": _without_nulls(Format, body["format"])}
        return _without_nulls(cls, body)


def _without_nulls(model: type[BaseModel], fields: dict[str, Any]) -> dict[str, Any]:
    """All but the null fields that the model does not require."""
    known = model.model_fields
    return {
        name: value
        for name, value in fields.items()
        if value is not None or name not in known or known[name].is_required()
    }


class Accepted(BaseModel):
    """A job was made."""

    job_id: Uuid = Field(examples=[_ID])
    status: Status = Field(
        description="`queued`; another where the job joined a download that runs, or was made by an earlier request.",
        examples=[Status.QUEUED],
    )
    status_url: Uri = Field(
        description="Where the job can be asked for, absolute.", examples=[f"https://media.example.org/api/jobs/{_ID}"]
    )
    ws_url: Uri = Field(
        description="The WebSocket that sends every step of the job, absolute.",
        examples=[f"wss://media.example.org/ws/download/{_ID}"],
    )
    events_url: Uri = Field(
        description="The same as Server-Sent Events, absolute.",
        examples=[f"https://media.example.org/sse/download/{_ID}"],
    )


class Job(BaseModel):
    """A job as it is now. Sizes are bytes, speed is bytes/second, times are seconds; what is unknown is null."""

    job_id: Uuid
    url: Uri
    format: Format
    priority: Priority
    force: bool
    retry_of: Uuid | None = Field(description="The job that this one tries again.")
    created_at: DateTime = Field(description="RFC 3339")
    ws_url: Uri
    events_url: Uri
    cursor: str = Field(
        description="Where a watcher can go on from: `ws_url?after=<cursor>`, or the Last-Event-ID of `events_url`."
    )
    status: Status
    stage: Stage
    progress: Double = Field(description="per cent")
    message: str
    seq: Int64 = Field(description="Rises with every message of the job.")
    attempt: Int32
    timestamp: DateTime = Field(description="RFC 3339")
    downloaded_bytes: Int64 | None
    total_bytes: Int64 | None
    speed: Double | None
    eta: Double | None = Field(description="Seconds to the end of the stage.")
    title: str | None
    thumbnail: Uri | None = Field(description="The video's picture, kept by Vidferry.")
    retries: Int32 = Field(description="Times that it was put back after a failure, to be tried again by itself.")
    max_retries: Int32 | None = Field(None, description="The most of them; null before the first attempt.")
    retry_at: DateTime | None = Field(description="When the next try begins, RFC 3339.")
    result: Result | None = None
    error: Failure | None = None
