"""The response body of versions."""

from pydantic import BaseModel, Field

from vidferry_common.contract.field_types import DateTime


class RunningBundle(BaseModel):
    """A release of yt-dlp that all workers are to run instead of their image's."""

    yt_dlp: str = Field(description="The version of yt-dlp.", examples=["2026.10.26"])
    ejs: str = Field(description="The version of its yt-dlp-ejs.", examples=["0.8.0"])
    previous: str | None = Field(description="The version of yt-dlp that ran before it. Null where that is not known.")
    published_at: DateTime = Field(description="When it was published, RFC 3339.")


class WorkerVersions(BaseModel):
    """What some of the workers run. A version that a worker can't find out is null."""

    vidferry: str | None = Field(description="The version of the worker.", examples=["0.3.0"])
    yt_dlp: str | None = Field(description="The version of yt-dlp.", examples=["2026.10.26"])
    ejs: str | None = Field(description="The version of yt-dlp-ejs.", examples=["0.8.0"])
    deno: str | None = Field(description="The version of deno, which runs the JavaScript of sites.", examples=["2.9.8"])
    ffmpeg: str | None = Field(description="The version of ffmpeg.", examples=["7.1.2"])
    count: int = Field(description="How many workers run exactly these versions.", ge=1)


class RunningVersions(BaseModel):
    """What runs now."""

    vidferry: str = Field(description="The version of the api that answers.", examples=["0.3.0"])
    bundle: RunningBundle | None = Field(description="Null where workers run the yt-dlp of their image.")
    held: list[str] = Field(
        description="Versions of yt-dlp that are never taken: their trial failed, or sites did not work any more."
    )
    workers: list[WorkerVersions] = Field(
        description="What the workers run, the versions of most of them first. Workers of 0.2.0 are not counted."
    )
