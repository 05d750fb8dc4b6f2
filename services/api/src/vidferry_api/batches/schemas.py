"""The request body of batches."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from vidferry_api.jobs.labels import CredentialName, ExternalId, Metadata, credential_field
from vidferry_api.jobs.schemas import HTTP_URL, JobRequestBody, RequestedFormat
from vidferry_api.jobs.webhook import WebhookRequest
from vidferry_common.contract.batches import MAX_ITEMS_TEXT, MAX_URLS, parse_items
from vidferry_common.contract.priority import Priority
from vidferry_common.urls import MAX_LENGTH, canonical_url

MAX_LIMIT = 100_000
_OF_PLAYLISTS = ("items", "limit", "newest_first")


def _check_items(text: str) -> str:
    parse_items(text)
    return text


class BatchRequest(JobRequestBody):
    """The videos to fetch: either `urls` or `playlist`. An optional field that is `null` counts as left out."""

    urls: list[Annotated[str, Field(max_length=2 * MAX_LENGTH)]] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_URLS,
        description="The URLs of the videos, each as in `POST /api/download`. One that is not valid becomes a job that "
        "has failed.",
        examples=[["https://example.org/video", "https://example.org/another"]],
    )
    playlist: Annotated[str, AfterValidator(canonical_url)] | None = Field(
        default=None,
        description="The URL of a playlist, a channel, a feed, or a page with several videos.",
        examples=["https://example.org/playlist"],
        json_schema_extra=HTTP_URL,
    )
    items: Annotated[str, AfterValidator(_check_items)] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_ITEMS_TEXT,
        description="Which videos of the playlist, by their places from 1 on; with `newest_first`, by their places in "
        "that order. Only the first 5,000 entries of a playlist are read.",
        examples=["1-50,60"],
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        le=MAX_LIMIT,
        strict=True,
        description="The most videos to take of the playlist. By default, and at the most, as many as the operator "
        "allows (1,000, unless `VIDFERRY_MAX_ENTRIES` says otherwise); `batch.warnings` tells where that leaves out "
        "videos.",
    )
    newest_first: bool = Field(
        default=False,
        strict=True,
        description="Take the videos in the order of the "
        "dates that the playlist states, the newest first, instead of the playlist's order.",
    )
    format: RequestedFormat = Field(
        default_factory=RequestedFormat, description="The format of all videos; by default one that plays everywhere."
    )
    priority: Priority = Field(
        default=Priority.BULK,
        description="`bulk`: interactive downloads of the last hours go first. `interactive`: a person is waiting.",
    )
    force: bool = Field(
        default=False,
        strict=True,
        description="Fetch the videos again even if they are in the bucket, and replace the stored ones.",
    )
    external_id: ExternalId | None = Field(
        default=None, description="Your own id for the batch. Its jobs have none.", examples=["course-12"]
    )
    metadata: Metadata | None = Field(
        default=None,
        description="A JSON object that Vidferry keeps with the batch, and not with its jobs. At most 2 KiB when "
        "written without spaces.",
        examples=[{"course": "physics"}],
    )
    webhook: WebhookRequest | None = Field(
        default=None,
        description="Where events of the batch and of its jobs are sent, signed by the Standard Webhooks scheme. "
        "`batch.completed` is the batch's, all others are its jobs'.",
    )
    credential: CredentialName | None = credential_field("the playlist is read and the videos are fetched")

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if (self.urls is None) == (self.playlist is None):
            raise ValueError("send either urls or playlist")
        # One that has its default may be there: generated clients send it.
        if self.urls is not None and any(getattr(self, name) for name in _OF_PLAYLISTS):
            raise ValueError(f"send {', '.join(_OF_PLAYLISTS)} together with playlist only")
        return self
